"""
`pubsub schemas`, over programs of a test.

`asyncapi-3.0.0.json.gz` is the official schema of AsyncAPI documents, of https://www.npmjs.com/package/@asyncapi/specs
6.11.1, under the Apache License 2.0.
"""

import gzip
import sys
from itertools import count
from json import loads
from pathlib import Path

import pytest
from jsonschema import Draft7Validator, Draft202012Validator

from microcosm_pubsub.cli.main import main


NUMBERS = count(1)

PROGRAM = '''
from dataclasses import dataclass, field

from marshmallow import Schema, fields
from microcosm_pubsub import ConsumerDaemon, PubSubMessageSchema, created, handles, schema


class Line(Schema):
    item = fields.String(required=True)
    lines = fields.List(fields.Nested(lambda: Line()))


@schema
class Order(PubSubMessageSchema):
    """An order of somebody."""

    MEDIA_TYPE = created("order")

    number = fields.Integer(required=True)
    lines = fields.List(fields.Nested(Line), required=True)


@schema(media_type="application/vnd.acme.parcel")
@dataclass
class Parcel:
    weight: float
    labels: list[str] = field(default_factory=list)


@handles(Order)
def take(content):
    return True


@handles(created("thing"))
def take_thing(content):
    return True


class OrdersDaemon(ConsumerDaemon):
    name = "orders"
'''

ORDER = "application/vnd.globality.pubsub._.created.order"


class Program:
    """A module that declares schemas, and a daemon."""

    def __init__(self, folder):
        self.folder = folder
        self.write(PROGRAM)

    def write(self, text):
        # a module of another name, since Python imports each once
        self.name = f"gate_program_{next(NUMBERS)}"
        (self.folder / f"{self.name}.py").write_text(text)

    @property
    def daemon(self):
        return f"{self.name}:OrdersDaemon"


@pytest.fixture
def program(tmp_path, monkeypatch, own_declarations):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", ["", *sys.path])
    monkeypatch.setattr(sys, "argv", ["pubsub"])
    monkeypatch.setenv("COLUMNS", "250")
    return Program(tmp_path)


@pytest.fixture
def run(capsys):
    def call(*words):
        with pytest.raises(SystemExit) as raised:
            main(words)
        printed = capsys.readouterr()
        return raised.value.code, printed.out + printed.err

    return call


@pytest.fixture
def change(program, own_declarations):
    """Write the program anew, with something else in it; what was declared before is forgotten."""
    from microcosm.hooks import ON_RESOLVE

    from microcosm_pubsub.registry import PubSubMessageSchemaRegistry, SQSMessageHandlerRegistry

    def write(old, new):
        for cls in (PubSubMessageSchemaRegistry, SQSMessageHandlerRegistry):
            setattr(cls, f"{ON_RESOLVE}_{cls.__name__}", [])
        assert old in PROGRAM
        program.write(PROGRAM.replace(old, new))

    return write


def test_what_there_is(program, run):
    code, text = run("schemas", "list", program.daemon)
    assert code == 0
    assert "number, lines" in text
    assert "weight, labels?" in text
    assert "created.thing" in text

    (order,) = [
        each for each in loads(run("schemas", "list", program.daemon, "--json")[1]) if each["schema"] == "Order"
    ]
    assert order["media_type"] == ORDER
    assert order["reads"]["required"] == ["lines", "number"]


def test_of_a_module_without_a_daemon(program, run):
    names = [each["media_type"] for each in loads(run("schemas", "list", program.name, "--json")[1])]
    assert names == ["application/vnd.acme.parcel", ORDER]


def test_nothing_has_changed(program, run):
    assert run("schemas", "lock", program.daemon) == (0, "wrote pubsub.lock.json, media types: 3\n")
    written = Path("pubsub.lock.json").read_text()
    assert run("schemas", "check", program.daemon) == (0, "nothing has changed since pubsub.lock.json\n")
    run("schemas", "lock", program.daemon, "--file", "again.json")
    assert Path("again.json").read_text() == written


def test_what_breaks(program, run, change):
    run("schemas", "lock", program.daemon)
    change("number = fields.Integer(required=True)", "number = fields.String(required=True)")

    code, text = run("schemas", "check", program.daemon)

    assert code == 1
    assert "integer is written, and string is read" in text
    assert "2 changes break somebody" in text
    changes = loads(run("schemas", "check", program.daemon, "--json")[1])
    assert changes["breaks"] is True
    assert [(each["path"], each["breaks"], each["allowed"]) for each in changes["changes"]] == [
        ("number", "consumers", False),
        ("number", "producers", False),
    ]
    for allowed in (ORDER, f"{ORDER}:number", "*:number", "*"):
        code, text = run("schemas", "check", program.daemon, "--allow", allowed)
        assert code == 0
        assert "(allowed)" in text
    assert run("schemas", "check", program.daemon, "--allow", f"{ORDER}:lines")[0] == 1


def test_what_breaks_nobody(program, run, change):
    run("schemas", "lock", program.daemon)
    change("    number = fields", "    note = fields.String()\n    number = fields")

    code, text = run("schemas", "check", program.daemon)

    assert code == 0
    assert "is new, and need not be there" in text
    assert "nobody breaks; `pubsub schemas lock" in text


def test_a_media_type_that_is_gone(program, run, change):
    run("schemas", "lock", program.daemon)
    change('@schema(media_type="application/vnd.acme.parcel")\n', "")

    code, text = run("schemas", "check", program.daemon)

    assert code == 1
    assert "is gone: what is still written is read by nobody" in text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "There is no pubsub.lock.json: write it with `pubsub schemas lock`"),
        ("{", "Cannot read pubsub.lock.json: JSONDecodeError"),
        ("[]", "Cannot read pubsub.lock.json: TypeError"),
        ('{"version": 2}', "is of version 2, and this package reads 1"),
        ('{"version": 1, "messages": {"a": 3}}', "Cannot read pubsub.lock.json"),
    ],
)
def test_files_that_cannot_be(program, run, text, said):
    if text is not None:
        Path("pubsub.lock.json").write_text(text)
    assert said in str(run("schemas", "check", program.daemon)[0])


def test_json_schema(program, run):
    schema = loads(run("schemas", "jsonschema", program.name, ORDER)[1])
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    assert schema["description"] == "An order of somebody."
    assert validator.is_valid({"number": 1, "lines": [{"item": "a", "lines": [{"item": "b"}]}]})
    assert not validator.is_valid({"number": 1, "lines": [{"item": "a", "lines": [{"item": 3}]}]})
    assert not validator.is_valid({"number": 1})

    assert set(loads(run("schemas", "jsonschema", program.name)[1])) == {ORDER, "application/vnd.acme.parcel"}
    written = loads(run("schemas", "jsonschema", program.name, "application/vnd.acme.parcel", "--writes")[1])
    assert written["required"] == ["labels", "weight"]
    assert "has no schema of x/y" in str(run("schemas", "jsonschema", program.name, "x/y")[0])


def test_asyncapi(program, run):
    text = run("schemas", "asyncapi", program.daemon)[1]
    document = loads(text)
    official = loads(gzip.decompress(Path(__file__).with_name("asyncapi-3.0.0.json.gz").read_bytes()))
    validator = Draft7Validator(official)

    assert list(validator.iter_errors(document)) == []
    assert list(validator.iter_errors({**document, "channels": {"a": {"address": 3}}}))
    assert document["operations"]["receive_from_orders"]["action"] == "receive"
    received = [each["$ref"].rpartition("_")[2] for each in document["operations"]["receive_from_orders"]["messages"]]
    assert received == ["order", "thing"]
    message = document["components"]["messages"]["application_vnd_globality_pubsub___created_order"]
    assert message["description"] == "An order of somebody."
    assert message["payload"]["properties"]["lines"]["items"]["$ref"] in text
    payload = Draft7Validator({**document, **message["payload"]})
    assert payload.is_valid({"mediaType": ORDER, "number": 1, "lines": [{"item": "a"}]})
    assert not payload.is_valid({"mediaType": ORDER, "number": 1, "lines": [{"item": 3}]})


def test_a_module_that_cannot_be_imported(run, program):
    assert "Cannot import nowhere_at_all: ModuleNotFoundError" in str(run("schemas", "list", "nowhere_at_all")[0])
