"""
Messages from a file, from stdin, and from memory.
"""

import os
import sys
from io import StringIO
from json import dumps

import pytest

from microcosm_pubsub.errors import ConfigurationError, DecodeError, EndOfInput, PubSubError
from microcosm_pubsub.reader import (
    LambdaEventReader,
    Reader,
    SQSFileReader,
    SQSJsonReader,
    SQSStdInReader,
    is_stdin,
    is_url,
    parse_line,
)


LINES = ['{"mediaType": "a/b", "n": 1}', "", "   ", "not json", "[1]", '{"Body": "x", "MessageId": "mine"}']


def receive(reader, limit=10, wait_seconds=0):
    return reader.receive_message(QueueUrl="q", MaxNumberOfMessages=limit, WaitTimeSeconds=wait_seconds).get("Messages")


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "messages.jsonl"
    path.write_text("\n".join(LINES))
    return str(path)


@pytest.fixture
def stdin(monkeypatch):
    """A pipe whose other end a test writes to."""
    reading, writing = os.pipe()
    with os.fdopen(reading) as stream, os.fdopen(writing, "wb", buffering=0) as other:
        monkeypatch.setattr(sys, "stdin", stream)
        yield other


def test_sources():
    assert is_stdin("STDIN")
    assert is_stdin("stdin")
    assert not is_stdin("stdin.jsonl")
    assert is_url("https://sqs.us-east-1.amazonaws.com/1/q")
    assert not is_url("queue")


def test_file(path):
    reader = SQSFileReader(path)

    first = receive(reader, limit=1)
    rest = receive(reader)

    assert first == [
        {"MessageId": f"{path}:1", "ReceiptHandle": f"{path}:1", "Body": LINES[0], "mediaType": "a/b", "n": 1}
    ]
    assert [(message["MessageId"], message["Body"]) for message in rest] == [
        (f"{path}:4", "not json"),
        (f"{path}:5", "[1]"),
        ("mine", "x"),
    ]
    for _ in range(2):
        with pytest.raises(EndOfInput, match="read to its end"):
            receive(reader)
    assert reader.file.closed


def test_no_file(tmp_path):
    assert not SQSFileReader.can_read(str(tmp_path / "missing"))
    assert not SQSFileReader.can_read(str(tmp_path))
    with pytest.raises(ConfigurationError, match=r"missing: No such file"):
        SQSFileReader(str(tmp_path / "missing"))


@pytest.mark.parametrize(
    "line",
    [b'{"mediaType": "a/b", "name": "caf\xe9"}', b"\xff\xfe", b"{", b"[" * 100_000, b"7", b"null"],
    ids=["latin-1", "utf-16", "brace", "deep", "number", "null"],
)
def test_what_is_no_json_object_is_a_message_that_cannot_be_decoded(make_graph, line):
    message = parse_line(line, "file:1")

    assert set(message) == {"MessageId", "ReceiptHandle", "Body"}
    for strategy_name in ("CodecSQSEnvelope", "NaiveSQSEnvelope"):
        envelope = make_graph(sqs_envelope={"strategy_name": strategy_name}).sqs_envelope
        with pytest.raises(PubSubError):
            envelope.parse_raw_message(None, message)


def test_a_byte_order_mark_is_no_part_of_a_message():
    assert dict(parse_line(b'\xef\xbb\xbf{"mediaType": "a/b"}', "file:1"))["mediaType"] == "a/b"


def test_stdin_gives_lines_as_they_come(stdin):
    reader = SQSStdInReader()
    assert receive(reader) is None

    stdin.write(b'{"mediaType": "a/b"}\n\n{"mediaType": "c/d"}\n{"media')
    assert [message["mediaType"] for message in receive(reader, limit=1)] == ["a/b"]
    assert [message["MessageId"] for message in receive(reader)] == ["stdin:3"]
    assert receive(reader) is None

    stdin.write(b'Type": "e/f"}')
    stdin.close()
    assert receive(reader) is None
    assert [message["mediaType"] for message in receive(reader)] == ["e/f"]
    for _ in range(2):
        with pytest.raises(EndOfInput, match="stdin"):
            receive(reader)


@pytest.mark.parametrize("text", ['{"mediaType": "a/b"}\nnot json', '{"mediaType": "a/b"}\nnot json\n'])
def test_stdin_that_is_no_real_stream(monkeypatch, text):
    monkeypatch.setattr(sys, "stdin", StringIO(text))
    reader = SQSStdInReader()

    assert [message["Body"] for message in receive(reader)] == text.split("\n")[:2]
    with pytest.raises(EndOfInput):
        receive(reader)


def test_stdin_that_was_closed_is_told_at_the_start(monkeypatch):
    monkeypatch.setattr(sys, "stdin", None)

    with pytest.raises(ConfigurationError, match="Cannot read messages from stdin: it was closed when"):
        SQSStdInReader()


def test_json():
    reader = SQSJsonReader({"mediaType": "a/b"})

    assert receive(reader) == [
        {"MessageId": "message", "ReceiptHandle": "message", "Body": dumps({"mediaType": "a/b"}), "mediaType": "a/b"},
    ]
    with pytest.raises(EndOfInput):
        receive(reader)


def test_nothing_to_read():
    with pytest.raises(EndOfInput):
        receive(Reader())


def test_settling_changes_nothing():
    reader = SQSJsonReader({"mediaType": "a/b"})
    entries = [{"Id": "0", "ReceiptHandle": "r"}]

    assert reader.delete_message(QueueUrl="q", ReceiptHandle="r") == {}
    assert reader.change_message_visibility(QueueUrl="q", ReceiptHandle="r", VisibilityTimeout=0) == {}
    answer = {"Successful": [{"Id": "0"}], "Failed": []}
    assert reader.delete_message_batch(QueueUrl="q", Entries=entries) == answer
    assert reader.change_message_visibility_batch(QueueUrl="q", Entries=entries) == answer
    assert len(receive(reader)) == 1


def test_a_lambda_event_knows_what_is_not_done():
    reader = LambdaEventReader([{"MessageId": f"m{number}", "ReceiptHandle": f"r{number}"} for number in range(4)])
    assert [message["MessageId"] for message in receive(reader)] == ["m0", "m1", "m2", "m3"]

    reader.delete_message(QueueUrl="", ReceiptHandle="r1")
    reader.change_message_visibility(QueueUrl="", ReceiptHandle="r2", VisibilityTimeout=0)
    reader.delete_message_batch(QueueUrl="", Entries=[{"Id": "0", "ReceiptHandle": "r3"}])

    assert reader.failures == ["m0", "m2"]


MESSAGE = {"mediaType": "application/vnd.globality.pubsub._.created.reader", "uri": "http://x"}


def test_a_graph_reads_a_file(tmp_path):
    from microcosm.api import create_object_graph, load_from_dict

    path = tmp_path / "messages.jsonl"
    path.write_text(f"{dumps(MESSAGE)}\n{{\n{dumps({'Body': dumps(MESSAGE)})}\n")
    graph = create_object_graph("test", loader=load_from_dict(sqs_consumer={"sqs_queue_url": str(path)}))

    first, second, third = graph.sqs_consumer.consume()

    assert first.content["uri"] == third.content["uri"] == "http://x"
    assert isinstance(second.error, DecodeError)
    first.ack()
    second.nack()
    with pytest.raises(EndOfInput):
        graph.sqs_consumer.consume()


def test_a_graph_reads_stdin(stdin):
    from microcosm.api import create_object_graph, load_from_dict

    stdin.write(dumps(MESSAGE).encode() + b"\n")
    stdin.close()
    config = {"sqs_consumer": {"sqs_queue_url": "STDIN"}, "sqs_envelope": {"strategy_name": "NaiveSQSEnvelope"}}
    graph = create_object_graph("test", loader=load_from_dict(config))

    (message,) = graph.sqs_consumer.consume()

    assert message.content == MESSAGE
    # the end is noticed when there is nothing more to read
    with pytest.raises(EndOfInput):
        assert [graph.sqs_consumer.consume() for _ in range(3)]
