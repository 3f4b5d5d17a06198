"""
`pubsub dlq`, command by command.
"""

import io
import sys
from json import dumps, loads
from pathlib import Path
from re import MULTILINE, findall, split
from unittest.mock import Mock

import pytest

from microcosm_pubsub.cli.main import make_arg_parser
from microcosm_pubsub.conventions import created
from microcosm_pubsub.dead_letters.reason import count_redrives


ORDER = created("order")
PAGE = Path(__file__).parents[4] / "docs" / "reference" / "command-line.md"


def order(number):
    return {"mediaType": ORDER, "uri": f"https://orders.example.com/{number}"}


class TestList:
    def test_queues_with_their_dead_letter_queues(self, engine, dlq):
        engine.create("lonely")
        missing = engine.create("missing")
        engine.create("broken", source_of="missing")
        engine.client.delete_queue(QueueUrl=missing)
        engine.bury("a", "b")

        answer = dlq("list", "--json")

        rows = {row["queue"]: (row["dead_letter_queue"], row["dead"], row["oldest_time"]) for row in answer.json}
        assert rows == {
            "broken": ("missing", None, None),
            "lonely": (None, None, None),
            "orders": ("orders-dead-letters", 2, None),
        }
        assert "Cannot look at missing" in answer.err
        assert {message.receive_count for message in engine.stored()} == {0}

    def test_prefix(self, engine, dlq):
        engine.create("parcels")

        assert [row["queue"] for row in dlq("list", "--prefix", "par", "--json").json] == ["parcels"]

    def test_age(self, engine, dlq):
        engine.create("empty", source_of="orders")
        engine.bury("a", "b")

        ages = {row["queue"]: row["oldest_time"] for row in dlq("list", "--age", "--json").json}

        assert ages["orders"] is not None
        assert ages["empty"] is None
        assert engine.counts() == (2, 0)

    def test_for_people(self, engine, dlq):
        engine.bury("a")

        answer = dlq("list", "--age")

        assert "orders-dead-letters" in answer.out
        assert answer.code == 0


class TestPeek:
    def test_decoded_and_left(self, engine, dlq):
        engine.bury(order(1), "{no json")

        answer = dlq("peek", "--json")

        one, two = sorted(answer.lines, key=lambda letter: letter["media_type"] is None)
        assert (two["media_type"], two["error"], two["content"]) == (None, "KeyError", "{no json")
        assert (one["content"]["uri"], one["handler"], one["attempts"]) == (order(1)["uri"], "order_created", 3)
        assert engine.counts() == (2, 0)
        assert "adds 1 to a message's receive count" in answer.err
        assert answer.code == 0

    @pytest.mark.parametrize(
        ("flags", "found"),
        [
            (["--media-type", "*.order"], [1, 2, 3]),
            (["--media-type", "other"], []),
            (["--error", "KeyError"], [1, 2, 3]),
            (["--handler", "-"], []),
            (["--since", "1h"], [1, 2, 3]),
            (["--since", "2999-01-01"], []),
            (["--where", '$[?(@.uri =~ "2$")]'], [2]),
        ],
    )
    def test_filters(self, engine, dlq, flags, found):
        engine.bury(*map(order, (1, 2, 3)))

        uris = [letter["content"]["uri"] for letter in dlq("peek", "--json", *flags).lines]

        assert uris == [order(number)["uri"] for number in found]
        assert engine.counts() == (3, 0)

    def test_only_as_many_as_asked_for(self, engine, dlq):
        engine.bury(*map(str, range(25)))

        assert len(dlq("peek", "--max", "3", "--json").lines) == 3

        assert sum(message.receive_count for message in engine.stored()) == 3

    def test_that_there_are_more_is_told(self, engine, dlq):
        engine.bury(*map(str, range(5)))

        assert "--max N shows more" in dlq("peek", "--max", "4").err
        assert "--max N shows more" not in dlq("peek", "--max", "5").err

    def test_for_people(self, engine, dlq):
        engine.bury("[bold]\x9b31m\nred", attributes={})
        engine.bury({"mediaType": ORDER, "uri": "x" * 1000}, redrives=2, MessageGroupId="tenant", message_id="was")

        answer = dlq("peek")

        assert "[bold]�31m red" in answer.out
        assert "sent back 2 times" in answer.out
        assert "group tenant" in answer.out
        assert "logged as was" in answer.out
        assert "x..." in answer.out.replace("\n", "")
        assert "\x9b" not in answer.out

    def test_a_call_says_what_was_called(self, engine, dlq, monkeypatch):
        monkeypatch.setenv("COLUMNS", "400")
        opaque = {"x-message-id": "0" * 36, "x-request-published": "1796076312.8604152"}
        call = {"opaqueData": opaque, "jsonrpc": "2.0", "method": "images.resize", "params": {"path": "a.png"}}
        engine.bury({"mediaType": created("task.images"), **call})

        (letter,) = dlq("peek", "--json", "--where", '$[?(@.method == "images.resize")]').lines
        shown = dlq("peek").out

        assert letter["content"]["params"] == {"path": "a.png"}
        assert '{"jsonrpc": "2.0", "method": "images.resize", "params": {"path": "a.png"}' in shown
        # The media type is beside it, and what goes along with a message comes last.
        assert shown.count(created("task.images")) == 1
        assert "0" * 36 in shown

    def test_nothing_there(self, dlq):
        assert dlq("peek", "--json").out == ""

    def test_a_fifo_queue_shows_ten_of_a_group(self, engine, dlq):
        dead = engine.create("dead.fifo", fifo=True)
        engine.bury(*map(str, range(12)), url=dead, MessageGroupId="g")

        answer = dlq("peek", "--json", "--queue-url", "dead.fifo")

        assert [letter["content"] for letter in answer.lines] == [str(number) for number in range(10)]
        assert "the first ten" in answer.err

    def test_what_others_hide_is_told(self, engine, dlq):
        engine.bury("a", "b")
        engine.client.receive_message(QueueUrl=engine.dead)

        assert "1 more are hidden" in dlq("peek").err


class TestQueues:
    def test_by_name_or_url(self, engine, dlq):
        engine.bury("a")

        for queue in ("orders-dead-letters", engine.dead):
            assert len(dlq("peek", "--json", "--queue-url", queue).lines) == 1

    def test_a_queue_whose_receives_count_is_not_looked_at_by_mistake(self, engine, dlq):
        engine.bury("a", url=engine.source)

        answer = dlq("peek", "--queue-url", "orders")

        assert answer.code == 1
        assert "--spend-attempts" in answer.err
        assert engine.stored(engine.source)[0].receive_count == 0
        assert len(dlq("peek", "--queue-url", "orders", "--spend-attempts", "--json").lines) == 1

    @pytest.mark.parametrize("command", ["peek", "groups", "redrive", "export", "purge"])
    def test_none_that_is_there(self, dlq, command):
        answer = dlq(command, "--queue-url", "missing")

        assert answer.code == 1
        assert "missing" in answer.err
        assert answer.err.count("\n") <= 1

    def test_more_than_one(self, engine, dlq):
        engine.create("other", source_of="orders")

        answer = dlq("groups")

        assert answer.code == 1
        assert "orders, orders-dead-letters" in answer.err


class TestGroups:
    def test_counts(self, engine, dlq):
        engine.bury(*map(order, range(12)))
        engine.bury("{no json", attributes={})

        first, second = dlq("groups", "--json").json

        assert (first["count"], first["media_type"], first["handler"], first["error"]) == (
            12,
            ORDER,
            "order_created",
            "KeyError",
        )
        assert (second["count"], second["error"], second["newest"]["content"]) == (1, "DecodeError", "{no json")
        assert engine.counts() == (13, 0)

    def test_for_people(self, engine, dlq):
        engine.bury(order(1))

        answer = dlq("groups", "--error", "KeyError")

        assert ORDER in answer.out
        assert "order_created" in answer.out


class TestRedrive:
    def test_all_by_sqs_itself(self, engine, dlq):
        engine.bury(*map(str, range(25)))

        answer = dlq("redrive", "--json")

        assert (answer.json["by"], answer.json["sent"], answer.code) == ("move task", {engine.source: 25}, 0)
        assert engine.counts() == (0, 0)
        assert engine.counts(engine.source) == (25, 0)

    @pytest.mark.parametrize("flags", [["--copy"], ["--rate", "1000"], ["--max", "100"], ["--error", "KeyError"]])
    def test_one_by_one(self, engine, dlq, flags):
        engine.bury(*map(str, range(25)))

        answer = dlq("redrive", "--json", *flags)

        assert (answer.json["by"], answer.json["sent"], answer.code) == ("copying", {engine.source: 25}, 0)
        assert {count_redrives(message.message_attributes) for message in engine.stored(engine.source)} == {1}

    def test_chosen_ones(self, engine, dlq):
        engine.bury(*map(order, range(3)))

        answer = dlq("redrive", "--where", '$[?(@.uri =~ "1$")]')

        assert "sent to orders" in answer.out
        assert "kept: not chosen by the filters" in answer.out
        assert [loads(body) for body in engine.bodies(engine.source)] == [order(1)]

    def test_dry_run(self, engine, dlq):
        engine.bury(order(1), order(2), "{no json")

        answer = dlq("redrive", "--dry-run", "--json")

        assert answer.json["dry_run"]
        assert answer.json["sent"] == {engine.source: 3}
        assert {(group["media_type"], group["count"]) for group in answer.json["groups"]} == {(ORDER, 2), (None, 1)}
        assert engine.counts() == (3, 0)
        assert engine.counts(engine.source) == (0, 0)
        assert ORDER in dlq("redrive", "--dry-run").out

    def test_what_was_sent_back_too_often_stays(self, engine, dlq):
        engine.bury("often", redrives=3)
        engine.bury("seldom", redrives=2)

        answer = dlq("redrive", "--json")

        # a move task of SQS would take both
        assert answer.json["by"] == "copying"
        assert answer.json["kept"] == {"sent back 3 times or more already": 1}
        assert (engine.bodies(), engine.bodies(engine.source), answer.code) == (["often"], ["seldom"], 0)

        assert dlq("redrive", "--force", "--json").json["by"] == "move task"
        assert engine.bodies() == []

    def test_what_cannot_be_seen_may_have_been_sent_back_too_often(self, engine, dlq):
        engine.bury("a", "b")
        engine.client.receive_message(QueueUrl=engine.dead)

        answer = dlq("redrive", "--json")

        assert (answer.json["by"], sum(answer.json["sent"].values())) == ("copying", 1)

    def test_a_low_limit(self, engine, dlq):
        engine.bury("a", redrives=1)

        assert dlq("redrive", "--max-redrives", "1", "--json").json["sent"] == {}

    def test_failures_are_told_but_not_all_of_them(self, engine, dlq):
        engine.create("small")
        engine.client.set_queue_attributes(QueueUrl=engine.find("small"), Attributes={"MaximumMessageSize": "1024"})
        engine.bury(*("x" * 2000 for _ in range(12)))

        answer = dlq("redrive", "--to", "small", "--copy")

        assert answer.code == 1
        assert answer.err.count("InvalidParameterValue") == 10
        assert "2 failures more" in answer.err
        assert engine.counts() == (12, 0)

    def test_another_queue(self, engine, dlq):
        other = engine.create("other")
        engine.bury("a")
        engine.bury("b")

        assert dlq("redrive", "--to", "other", "--json").json["sent"] == {other: 2}

    def test_not_to_itself(self, dlq):
        answer = dlq("redrive", "--to", "orders-dead-letters")

        assert (answer.code, "itself" in answer.err) == (1, True)

    def test_nobody_tells_where_to(self, engine, dlq):
        engine.create("other", source_of="orders-dead-letters")
        engine.bury("a", attributes={})

        answer = dlq("redrive")

        assert answer.code == 1
        assert "name a queue with --to" in answer.out
        assert engine.counts() == (1, 0)

    def test_a_task_that_runs_already_is_followed(self, engine, dlq):
        engine.bury("a", "b")
        arns = {"SourceArn": "arn:aws:sqs:local:000000000000:orders-dead-letters"}
        engine.client.start_message_move_task(**arns, MaxNumberOfMessagesPerSecond=1)

        answer = dlq("redrive", "--json")

        assert "a task moves" in answer.err.lower()
        assert (answer.code, answer.json["by"]) == (0, "move task")
        assert engine.counts(engine.source) == (2, 0)

    def test_fifo(self, engine, dlq):
        source, dead = engine.create("s.fifo", fifo=True), engine.create("d.fifo", fifo=True)
        engine.bury(*map(str, range(15)), url=dead, MessageGroupId="g")

        answer = dlq("redrive", "--queue-url", "d.fifo", "--to", "s.fifo", "--json")

        assert (answer.json["by"], answer.json["sent"]) == ("copying", {source: 15})
        assert engine.bodies(source) == [str(number) for number in range(15)]


class TestFiles:
    def test_out_and_in(self, engine, dlq, tmp_path):
        path = tmp_path / "dead.jsonl"
        engine.bury(*map(str, range(25)))
        before = {message.body: message.message_attributes for message in engine.stored()}

        assert dlq("export", "--output", str(path)).code == 0
        assert engine.counts() == (25, 0)
        engine.client.purge_queue(QueueUrl=engine.dead)
        answer = dlq("import", str(path), "--to", "orders-dead-letters", "--json")

        assert (answer.code, answer.json) == (0, {"sent": 25, "bad": 0})
        assert {message.body: message.message_attributes for message in engine.stored()} == before

    def test_stdout(self, engine, dlq):
        engine.bury(order(1), order(2))

        answer = dlq("export", "--max", "1")

        (line,) = answer.lines
        assert loads(line["Body"])["mediaType"] == ORDER
        assert "1 written" in answer.err

    def test_delete(self, engine, dlq, tmp_path):
        path = tmp_path / "dead.jsonl"
        engine.bury(*map(order, range(12)))
        engine.bury("{no json")

        assert dlq("export", "--output", str(path), "--delete", "--media-type", ORDER).code == 0

        assert len(path.read_text().splitlines()) == 12
        assert engine.bodies() == ["{no json"]
        assert engine.counts() == (1, 0)

    def test_a_file_that_is_there_is_not_written_over(self, engine, dlq, tmp_path):
        path = tmp_path / "dead.jsonl"
        path.write_text("precious")
        engine.bury("a")

        answer = dlq("export", "--output", str(path), "--delete")

        assert (answer.code, "exists already" in answer.err) == (1, True)
        assert path.read_text() == "precious"
        assert engine.counts() == (1, 0)
        missing = dlq("export", "--output", str(tmp_path / "missing" / "file"))
        assert (missing.code, "No such file" in missing.err) == (1, True)

    def test_stdout_is_no_reason_to_delete(self, engine, dlq):
        engine.bury("a")

        assert dlq("export", "--delete").code == 2
        assert engine.counts() == (1, 0)

    def test_bad_lines_are_told_by_number(self, engine, dlq, tmp_path):
        path = tmp_path / "lines.jsonl"
        path.write_bytes(b'{"Body": "a"}\nno json\n\n{"Body": "\\u0000"}\n{"Body": "b"}\n\xff\n')

        answer = dlq("import", str(path), "--to", "orders")

        assert answer.code == 1
        for number in (2, 4, 6):
            assert f"lines.jsonl:{number}: " in answer.err
        assert sorted(engine.bodies(engine.source)) == ["a", "b"]
        assert "2 sent, 3 not" in answer.err

    def test_a_fifo_queue_gets_each_line_as_often_as_it_is_told(self, engine, dlq, tmp_path):
        target = engine.create("target.fifo", fifo=True)
        path = tmp_path / "lines.jsonl"
        path.write_text(f"{dumps({'Body': 'a', 'MessageId': 'm'})}\n" * 12)

        for _ in range(2):
            assert dlq("import", str(path), "--to", "target.fifo").code == 0

        assert len(engine.stored(target)) == 24

    def test_what_comes_after_a_bad_one_of_its_group_is_not_sent(self, engine, dlq, tmp_path):
        target = engine.create("target.fifo", fifo=True)
        path = tmp_path / "lines.jsonl"
        bodies = [*map(str, range(3)), "\0", *map(str, range(4, 25))]
        lines = [dumps({"Body": body, "Attributes": {"MessageGroupId": "g"}}) for body in bodies]
        path.write_text("\n".join(lines))

        answer = dlq("import", str(path), "--to", "target.fifo", "--json")

        assert (answer.code, answer.json) == (1, {"sent": 3, "bad": 22})
        assert engine.bodies(target) == ["0", "1", "2"]

    def test_a_missing_file(self, dlq, tmp_path):
        answer = dlq("import", str(tmp_path / "missing"), "--to", "orders")

        assert (answer.code, "No such file" in answer.err) == (1, True)

    def test_stdin(self, engine, dlq, monkeypatch):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b'{"Body": "a"}')))

        assert dlq("import", "-", "--to", "orders").code == 0
        assert engine.bodies(engine.source) == ["a"]


class TestPurge:
    @pytest.mark.parametrize("typed", ["", "yes\n", "orders\n"])
    def test_not_without_its_name(self, engine, dlq, monkeypatch, typed):
        engine.bury("a")
        monkeypatch.setattr(sys, "stdin", io.StringIO(typed))

        answer = dlq("purge")

        assert answer.code == 1
        assert "nothing was deleted" in answer.err
        assert engine.counts() == (1, 0)

    def test_with_its_name(self, engine, dlq, monkeypatch):
        engine.bury("a", "b")
        monkeypatch.setattr(sys, "stdin", io.StringIO("orders-dead-letters\n"))

        answer = dlq("purge", "--json")

        # That is so at AWS alone: the broker deletes at once.
        assert "up to a minute" not in answer.err
        assert (answer.code, answer.json) == (0, {"queue": "orders-dead-letters", "purged": 2})
        assert engine.counts() == (0, 0)

    def test_without_asking(self, engine, dlq):
        engine.bury("a")

        assert dlq("purge", "--yes").code == 0
        assert engine.counts() == (0, 0)

    def test_not_a_queue_that_is_at_work(self, engine, dlq):
        engine.bury("a", url=engine.source)

        assert dlq("purge", "--queue-url", "orders", "--yes").code == 1
        assert engine.counts(engine.source) == (1, 0)


class TestCommandLine:
    @pytest.mark.parametrize(
        "argv",
        [
            [],
            ["peek", "--since", "soon"],
            ["peek", "--where", "$.a[?"],
            ["peek", "--max", "0"],
            ["redrive", "--rate", "0"],
            ["redrive", "--rate", "inf"],
            ["redrive", "--rate", "fast"],
            ["run", "ID"],
            ["import", "file"],
        ],
    )
    def test_wrong(self, argv, capsys):
        with pytest.raises(SystemExit) as raised:
            make_arg_parser(["dlq"]).parse_args(["dlq", *argv])

        assert raised.value.code == 2

    def test_modules(self, engine, dlq, tmp_path, monkeypatch):
        monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
        (tmp_path / "dlq_schemas.py").write_text(SCHEMAS)
        engine.bury({"mediaType": "application/vnd.dlq.parcel", "number": "7"})

        assert dlq("peek", "--json").lines[0]["content"]["number"] == "7"
        assert dlq("peek", "--json", "--import", "dlq_schemas").lines[0]["content"]["number"] == 7
        answer = dlq("peek", "--daemon", "dlq_schemas:ParcelDaemon", "--json")
        # as this daemon is configured
        assert answer.lines[0]["media_type"] == "application/json"
        answer = dlq("peek", "--daemon", "dlq_schemas:ParcelDaemon", "--envelope", "CodecSQSEnvelope", "--json")
        assert answer.lines[0]["content"]["number"] == 7

    @pytest.mark.parametrize("name", ["missing_module", "", ".relative"])
    def test_modules_that_are_none(self, dlq, name):
        answer = dlq("peek", "--import", name)

        assert (answer.code, "Cannot import" in answer.err) == (1, True)

    def test_an_engine_that_is_not_there(self, dlq, monkeypatch):
        monkeypatch.delenv("PUBSUB_BROKER_URL", raising=False)
        # The client waits between its attempts.
        monkeypatch.setattr("botocore.endpoint.time", Mock())

        answer = dlq("list", "--endpoint-url", "http://127.0.0.1:9", broker=False)

        assert answer.code == 1
        assert "Could not connect" in answer.err
        assert answer.err.count("\n") <= 1


SCHEMAS = """
from marshmallow import fields
from microcosm_pubsub.codecs import PubSubMessageSchema
from microcosm_pubsub.daemon import ConsumerDaemon
from microcosm_pubsub.decorators import schema


@schema
class ParcelSchema(PubSubMessageSchema):
    MEDIA_TYPE = "application/vnd.dlq.parcel"
    number = fields.Integer(required=True)


class ParcelDaemon(ConsumerDaemon):
    name = "parcels"
    defaults = {"sqs_envelope": {"strategy_name": "RawSQSEnvelope"}}
"""


def find_commands():
    """The parsers of the commands."""
    parser = make_arg_parser(["dlq"])
    for name in ("dlq",):
        (action,) = (action for action in parser._actions if hasattr(action, "choices") and action.choices)
        parser = action.choices[name]
    (action,) = (action for action in parser._actions if hasattr(action, "choices") and action.choices)
    return action.choices


@pytest.mark.parametrize("command", ["list", "peek", "groups", "redrive", "run", "export", "import", "purge"])
def test_documented_flags_are_those_that_exist(command):
    existing = {flag for flag in find_commands()[command]._option_string_actions if flag.startswith("--")} - {"--help"}
    sections = dict(section.split("\n", 1) for section in split(r"\n## ", PAGE.read_text())[1:])
    shared, *parts = split(r"\n### ", sections["pubsub dlq"])
    tables = {part.partition("\n")[0].removeprefix("pubsub dlq "): part for part in parts}

    documented = set(findall(r"^\| `(--[a-z-]+)", tables[command], flags=MULTILINE))
    common = set(findall(r"^\| `(--[a-z-]+)", shared, flags=MULTILINE))
    assert documented | (common & existing) == existing
    assert not documented & common
