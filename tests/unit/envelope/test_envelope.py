"""
How a wire body becomes a message.
"""

from hashlib import md5
from json import dumps, loads

import pytest
from marshmallow import ValidationError, fields

from microcosm_pubsub.codecs import PubSubMessageSchema
from microcosm_pubsub.conventions import created
from microcosm_pubsub.decorators import schema
from microcosm_pubsub.envelope import (
    CodecSQSEnvelope,
    LambdaSQSEnvelope,
    NaiveSQSEnvelope,
    RawMessageBodyParser,
    RawSQSEnvelope,
    SQSEnvelope,
    blank_message,
    load_json,
)
from microcosm_pubsub.errors import ConfigurationError, DecodeError


MEDIA_TYPE = "application/vnd.envelope.parcel"


@schema
class ParcelSchema(PubSubMessageSchema):
    MEDIA_TYPE = MEDIA_TYPE

    number = fields.Integer(required=True)


PARCEL = {"mediaType": MEDIA_TYPE, "number": "7"}
CONTENT = {"media_type": MEDIA_TYPE, "number": 7}


class HalfEnvelope(RawMessageBodyParser, SQSEnvelope):
    """Does not say what a message is."""


class DottedEnvelope(RawSQSEnvelope):
    pass


class DottedTwiceEnvelope(DottedEnvelope):
    pass


def raw(body, **more):
    text = body if isinstance(body, str) else dumps(body)
    return {"MessageId": "m", "ReceiptHandle": "r", "Body": text, **more}


def wrapped(message, **more):
    text = message if isinstance(message, str) else dumps(message)
    return raw({"Type": "Notification", "TopicArn": "arn:topic", "Message": text, **more})


@pytest.fixture
def envelope(graph):
    return graph.sqs_envelope


def test_the_default(envelope):
    assert type(envelope) is CodecSQSEnvelope


@pytest.mark.parametrize(
    ("name", "cls"),
    [
        ("CodecSQSEnvelope", CodecSQSEnvelope),
        ("RawSQSEnvelope", RawSQSEnvelope),
        ("NaiveSQSEnvelope", NaiveSQSEnvelope),
        ("LambdaSQSEnvelope", LambdaSQSEnvelope),
        ("DottedEnvelope", DottedEnvelope),
        ("DottedTwiceEnvelope", DottedTwiceEnvelope),
    ],
)
def test_an_envelope_is_chosen_by_name(make_graph, name, cls):
    assert type(make_graph(sqs_envelope={"strategy_name": name}).sqs_envelope) is cls


def test_an_unknown_envelope_is_refused(make_graph):
    with pytest.raises(ConfigurationError, match=r"envelope 'Nope'.*CodecSQSEnvelope.*NaiveSQSEnvelope"):
        _ = make_graph(sqs_envelope={"strategy_name": "Nope"}).sqs_envelope


def test_an_envelope_says_what_a_body_means(graph):
    with pytest.raises(
        ConfigurationError, match=r"SQSEnvelope .* needs parse_message and parse_media_type_and_content"
    ):
        SQSEnvelope(graph)
    with pytest.raises(ConfigurationError, match=r"HalfEnvelope .* needs parse_media_type_and_content"):
        HalfEnvelope(graph)


BY_ATTRIBUTE = {"number": 7}


@pytest.mark.parametrize(
    ("raw_message", "topic_arn"),
    [
        (wrapped(PARCEL), "arn:topic"),
        (raw(PARCEL), None),
        (wrapped(BY_ATTRIBUTE, MessageAttributes={"media_type": {"Type": "String", "Value": MEDIA_TYPE}}), "arn:topic"),
        (raw(BY_ATTRIBUTE, MessageAttributes={"media_type": {"StringValue": MEDIA_TYPE}}), None),
        # the body's own word wins
        (wrapped(PARCEL, MessageAttributes={"media_type": {"Value": "a/b"}}), "arn:topic"),
    ],
    ids=["wrapped", "raw", "wrapped-attribute", "raw-attribute", "both"],
)
def test_codec(envelope, raw_message, topic_arn):
    message = envelope.parse_raw_message(None, raw_message)

    assert message.content == CONTENT
    assert (message.media_type, message.topic_arn) == (MEDIA_TYPE, topic_arn)
    assert (message.message_id, message.receipt_handle) == ("m", "r")
    assert message.error is None


def test_a_media_type_without_schema_has_no_content(envelope):
    message = envelope.parse_raw_message(None, raw({"mediaType": "application/vnd.envelope.unknown", "a": 1}))

    assert message.content is None
    assert message.media_type == "application/vnd.envelope.unknown"


def test_a_message_that_has_a_field_of_the_name_message(envelope):
    body = {"mediaType": created("envelope"), "uri": "http://x", "Message": "not SNS's"}

    assert envelope.parse_raw_message(None, raw(body)).content["uri"] == "http://x"


@pytest.mark.parametrize(
    ("raw_message", "error", "text"),
    [
        (raw("{not json"), DecodeError, "body is not JSON at character 1"),
        (raw(""), DecodeError, "body is not JSON"),
        (raw("[" * 100_000), DecodeError, "body is not JSON, of 100000 characters"),
        (raw([1]), DecodeError, "body is JSON, but a list"),
        (raw(12), DecodeError, "body is JSON, but an int where an object must be"),
        (raw("null"), DecodeError, "body is JSON, but a NoneType"),
        ({}, DecodeError, "body is missing"),
        ({"Body": None}, DecodeError, "body is missing"),
        (wrapped("{not json"), DecodeError, "SNS message is not JSON"),
        (wrapped("[]"), DecodeError, "SNS message is JSON, but a list"),
        (raw({"number": 7}), ValidationError, "mediaType"),
        (raw({"mediaType": 7}), ValidationError, "mediaType"),
        (raw({}, MessageAttributes={"media_type": {"BinaryValue": b""}}), ValidationError, "mediaType"),
        (raw({}, MessageAttributes={"media_type": "x"}), ValidationError, "mediaType"),
        (raw({}, MessageAttributes=["x"]), ValidationError, "mediaType"),
        (raw({**PARCEL, "number": "x"}), ValidationError, "number"),
    ],
)
def test_what_codec_cannot_read(envelope, raw_message, error, text):
    with pytest.raises(error, match=text):
        envelope.parse_raw_message(None, raw_message)


@pytest.mark.parametrize(
    "text",
    [
        '{"a": 1}',
        ' {"a": 1}',
        '{"a": 1}\r\n',
        '{"a": NaN, "b": 1e999, "a": "twice", "c": 18446744073709551616, "d": "\\ud800"}',
        b'{"a": 1}',
        '{"a": 1}'.encode("utf-16"),
        "[1]",
        " 7 ",
        '"text"',
        '{"a": 1} {',
        '{"a": 1}x',
        ' {"a": 1',
        '{"a"',
        "{}}",
        "\ufeff{}",
        " ",
    ],
)
def test_json_is_read_as_json_loads_does(text):
    try:
        expected = repr(loads(text))
    except ValueError as error:
        with pytest.raises(DecodeError, match=f"The body is not JSON at character {error.pos}, of {len(text)}"):
            load_json(text, "body")
    else:
        assert repr(load_json(text, "body")) == expected


def test_an_invalid_message_tells_its_media_type(envelope):
    with pytest.raises(ValidationError) as raised:
        envelope.parse_raw_message(None, raw({**PARCEL, "number": "x"}))

    assert raised.value.media_type == MEDIA_TYPE


def test_an_error_does_not_hold_the_body(envelope):
    with pytest.raises(DecodeError) as raised:
        envelope.parse_raw_message(None, raw('{"password": "s3cret", '))

    assert "s3cret" not in str(raised.value)
    assert raised.value.__cause__ is None


@pytest.mark.parametrize("body", [{"a": 1}, [1], "text", None, 7])
def test_raw(make_graph, body):
    envelope = make_graph(sqs_envelope={"strategy_name": "RawSQSEnvelope"}).sqs_envelope

    message = envelope.parse_raw_message(None, {"Body": dumps(body)})

    assert (message.content, message.media_type) == (body, "application/json")
    with pytest.raises(DecodeError):
        envelope.parse_raw_message(None, raw("{"))


def test_naive(make_graph):
    envelope = make_graph(sqs_envelope={"strategy_name": "NaiveSQSEnvelope"}).sqs_envelope

    message = envelope.parse_raw_message(None, {**PARCEL, "MessageId": "m", "Body": dumps(PARCEL), "Attributes": {}})

    assert (message.content, message.media_type, message.message_id) == (PARCEL, MEDIA_TYPE, "m")
    with pytest.raises(ValidationError, match="mediaType"):
        envelope.parse_raw_message(None, {"number": 7})


RECORD = {
    "messageId": "m",
    "receiptHandle": "r",
    "body": dumps(BY_ATTRIBUTE),
    "md5OfBody": md5(dumps(BY_ATTRIBUTE).encode()).hexdigest(),
    "attributes": {"ApproximateReceiveCount": "3"},
    "messageAttributes": {"media_type": {"stringValue": MEDIA_TYPE, "dataType": "String"}, "odd": None},
    "eventSource": "aws:sqs",
}


def test_lambda(make_graph):
    envelope = make_graph(sqs_envelope={"strategy_name": "LambdaSQSEnvelope", "validate_md5": "true"}).sqs_envelope

    message = envelope.parse_raw_message(None, RECORD)

    assert (message.content["number"], message.media_type) == (7, MEDIA_TYPE)
    assert (message.message_id, message.receipt_handle, message.approximate_receive_count) == ("m", "r", 3)


def test_lambda_takes_what_has_boto3s_keys_as_it_is(make_graph):
    envelope = make_graph(sqs_envelope={"strategy_name": "LambdaSQSEnvelope"}).sqs_envelope

    assert envelope.parse_raw_message(None, raw(PARCEL)).content == CONTENT
    with pytest.raises(DecodeError):
        envelope.parse_raw_message(None, {"messageId": "m", "messageAttributes": None})


@pytest.mark.parametrize("value", [True, "true"])
def test_md5_is_compared(make_graph, value):
    envelope = make_graph(sqs_envelope={"validate_md5": value}).sqs_envelope
    body = dumps({**PARCEL, "note": "déjà \ud83d\ude00"}, ensure_ascii=False)

    good = raw(body, MD5OfBody=md5(body.encode("utf-8", "surrogatepass")).hexdigest())
    assert envelope.parse_raw_message(None, good).content == CONTENT
    with pytest.raises(DecodeError, match="changed on the way"):
        envelope.parse_raw_message(None, {**good, "MD5OfBody": "0" * 32})
    for key in ("Body", "MD5OfBody"):
        with pytest.raises(DecodeError, match="validate_md5"):
            envelope.parse_raw_message(None, {**good, key: None})


@pytest.mark.parametrize(
    ("attributes", "receive_count", "group_id", "fifo_group"),
    [
        ({}, None, None, None),
        (None, None, None, None),
        ("text", None, None, None),
        ({"ApproximateReceiveCount": "3"}, 3, None, None),
        ({"ApproximateReceiveCount": "many"}, None, None, None),
        ({"ApproximateReceiveCount": None}, None, None, None),
        ({"ApproximateReceiveCount": float("inf")}, None, None, None),
        # a fair queue has groups too, but no order
        ({"MessageGroupId": "g"}, None, "g", None),
        ({"MessageGroupId": "g", "SequenceNumber": "1"}, None, "g", "g"),
    ],
)
def test_what_the_queue_says(attributes, receive_count, group_id, fifo_group):
    message = blank_message(None, {"Attributes": attributes})

    assert message.approximate_receive_count == receive_count
    assert (message.group_id, message.fifo_group) == (group_id, fifo_group)
