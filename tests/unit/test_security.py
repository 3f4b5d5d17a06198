"""
What SECURITY.md claims of the package.
"""

from __future__ import annotations

import ast
from json import dumps
from logging import DEBUG, INFO, Formatter, Handler, getLogger
from pathlib import Path

import pytest
from marshmallow import Schema, fields
from marshmallow.validate import Length, OneOf, Range, Regexp

import microcosm_pubsub
from microcosm_pubsub.codecs import PubSubMessageSchema
from microcosm_pubsub.conventions import changed, created
from microcosm_pubsub.metrics import tags_for
from tests.fuzz.subject import HEALTHY, Subject


ROOT = Path(microcosm_pubsub.__file__).parent
CANARY = "canary-7d1f"
GUARDED = "application/vnd.security.guarded"


class GuardedInnerSchema(Schema):
    number = fields.Integer()


class GuardedSchema(PubSubMessageSchema):
    MEDIA_TYPE = GUARDED

    number = fields.Integer()
    decimal = fields.Decimal()
    moment = fields.DateTime()
    day = fields.Date()
    span = fields.TimeDelta()
    uuid = fields.UUID()
    url = fields.URL()
    email = fields.Email()
    ip = fields.IP()
    flag = fields.Boolean()
    choice = fields.String(validate=OneOf(["a", "b"]))
    short = fields.String(validate=Length(max=3))
    pattern = fields.String(validate=Regexp("[0-9]+"))
    little = fields.Integer(validate=Range(max=5))
    mapping = fields.Dict(keys=fields.Integer(), values=fields.Integer())
    named = fields.Dict(keys=fields.String(), values=fields.Integer())
    inner = fields.Nested(GuardedInnerSchema)
    inners = fields.List(fields.Nested(GuardedInnerSchema))
    words = fields.List(fields.Integer())
    enumerated = fields.Constant("x")


FIELDS = sorted(set(GuardedSchema().fields) - {"media_type", "opaque_data"})


def guarded(**content) -> str:
    return dumps({"mediaType": GUARDED, **content})


POISON = {
    "no JSON": CANARY,
    "JSON cut short": f'{{"secret": "{CANARY}',
    "a text": f'"{CANARY}"',
    "a list": f'["{CANARY}"]',
    "no media type": f'{{"secret": "{CANARY}"}}',
    "a media type that is none": dumps({"mediaType": [CANARY]}),
    "a media type that is an object": dumps({"mediaType": {CANARY: CANARY}}),
    "SNS around no JSON": dumps({"Message": CANARY, "TopicArn": "arn:aws:sns:us-east-1:000000000000:t"}),
    "SNS around a list": dumps({"Message": f'["{CANARY}"]'}),
    "no schema": dumps({"mediaType": "application/vnd.security.unknown", "secret": CANARY}),
    "a schema of the conventions": dumps({"mediaType": created("secret"), "uri": [CANARY]}),
    "another one": dumps({"mediaType": changed("secret"), "uri": "x", "newValue": {CANARY: 1}, "fieldName": [CANARY]}),
    "handled": dumps({"mediaType": HEALTHY, "secret": CANARY}),
    "an unknown field": guarded(**{CANARY: CANARY}),
    **{f"a bad {name}": guarded(**{name: CANARY}) for name in FIELDS},
    **{f"a worse {name}": guarded(**{name: {CANARY: CANARY}}) for name in FIELDS},
    **{f"a list of {name}": guarded(**{name: [CANARY, {"number": CANARY}]}) for name in FIELDS},
}


class Records(Handler):
    """Keep what log records say, with their tracebacks and all that they carry."""

    def __init__(self) -> None:
        super().__init__(INFO)
        self.texts: list[str] = []

    def emit(self, record):
        self.texts.append(Formatter().format(record))
        self.texts.append(repr({key: value for key, value in vars(record).items() if key not in ("exc_info", "args")}))


@pytest.fixture
def records():
    logger, records = getLogger(), Records()
    logger.addHandler(records)
    level = logger.level
    logger.setLevel(DEBUG)
    yield records
    logger.setLevel(level)
    logger.removeHandler(records)


@pytest.fixture
def subject():
    subject = Subject()
    subject.registry.register(GUARDED, GuardedSchema)
    return subject


@pytest.mark.parametrize("body", POISON.values(), ids=POISON)
def test_content_is_not_logged_nor_told_in_reasons(subject, records, body):
    subject.handlers[GUARDED] = lambda content: True

    subject.handle([{"Body": body}])

    assert records.texts
    assert not [text for text in records.texts if CANARY in text]
    assert CANARY not in repr(
        [entry["MessageAttributes"] for entry in subject.queue.sent if entry.get("MessageAttributes")]
    )


@pytest.mark.parametrize("body", POISON.values(), ids=POISON)
def test_content_is_no_label_of_a_metric(subject, body):
    seen = []
    subject.dispatcher.observers += (
        lambda message, result: seen.append(tags_for(result.result.label, result.media_type)),
    )

    subject.handle([{"Body": body}])

    assert len(seen) == 3
    assert CANARY not in repr(seen)


def test_a_message_shows_no_content(subject):
    subject.queue.raws = [{"Body": guarded(short=CANARY), "MessageId": "m", "ReceiptHandle": "r"}]

    (message,) = subject.consumer.consume()

    assert CANARY not in repr(message)
    assert CANARY not in str(message)


def test_a_media_type_writes_no_log_lines(subject, records):
    subject.handle([{"Body": dumps({"mediaType": "a/b\n2026-01-01 - root - [CRITICAL] - forged\x1b[2J"})}])

    assert "DecodeError" in str(records.texts)
    assert not [text for text in records.texts if "forged" in text]


SOURCES = {path.relative_to(ROOT): ast.parse(path.read_text()) for path in ROOT.rglob("*.py")}

#: What makes code or objects of data.
FORBIDDEN_MODULES = {"pickle", "marshal", "shelve", "dill", "cloudpickle", "yaml", "jsonpickle"}
#: What makes none of it, of modules that could.
HARMLESS = {"yaml": {"YAMLError", "safe_dump", "safe_load"}}
FORBIDDEN_CALLS = {"eval", "exec", "compile", "__import__"}

#: What imports a module by its name, and where that name comes from the command line or from the code.
IMPORTS_BY_NAME = {"import_module", "run_path", "run_module"}


def calls(tree: ast.AST) -> set[str]:
    functions = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    # `compile` of `re` is no builtin
    return {each.id if isinstance(each, ast.Name) else "" for each in functions}


def imported(tree: ast.AST) -> set[str]:
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            if {alias.name for alias in node.names} <= HARMLESS.get(node.module, set()):
                continue
            found.add(node.module.partition(".")[0])
    return found


def test_nothing_makes_code_or_objects_of_data():
    for path, tree in SOURCES.items():
        assert not imported(tree) & FORBIDDEN_MODULES, path
        assert not calls(tree) & FORBIDDEN_CALLS, path


def test_modules_are_imported_by_name_for_the_command_line_alone():
    by_name = {
        str(path)
        for path, tree in SOURCES.items()
        if any(
            isinstance(node, (ast.Name, ast.Attribute)) and _name(node) in IMPORTS_BY_NAME for node in ast.walk(tree)
        )
    }

    # Packages that users import from import what stands in a table of their own; handler modules are named in a file.
    allowed = {"__init__.py", "sql/__init__.py", "modules/handler.py"}
    assert all(path.startswith("cli/") for path in by_name - allowed), by_name


def _name(node) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr
