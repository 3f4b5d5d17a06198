"""
Receive messages, and settle them.
"""

# boto3 names its arguments in CamelCase.
# ruff: noqa: N803

from json import dumps

import pytest
from marshmallow import ValidationError, fields
from microcosm.api import create_object_graph, load_from_dict

from microcosm_pubsub.backoff import BackoffPolicy, NaiveBackoffPolicy
from microcosm_pubsub.codecs import PubSubMessageSchema
from microcosm_pubsub.consumer import SQSConsumer, resolve_queue_url
from microcosm_pubsub.consumer.entries import settle_error
from microcosm_pubsub.conventions import created
from microcosm_pubsub.decorators import schema
from microcosm_pubsub.envelope import RawMessageBodyParser, SQSEnvelope
from microcosm_pubsub.errors import (
    ConfigurationError,
    DecodeError,
    EndOfInput,
    PubSubError,
    QueueAccessError,
    ReceiveError,
    SettleError,
)
from microcosm_pubsub.message import SQSMessage
from microcosm_pubsub.reader import SQSJsonReader


MEDIA_TYPE = "application/vnd.consumer.parcel"


@schema
class ConsumerParcelSchema(PubSubMessageSchema):
    MEDIA_TYPE = MEDIA_TYPE

    number = fields.Integer(required=True)


class ConsumerBrokenEnvelope(RawMessageBodyParser, SQSEnvelope):
    def parse_media_type_and_content(self, message):
        raise ZeroDivisionError(message)


def parcel(number):
    return {"mediaType": MEDIA_TYPE, "number": number}


def make_messages(consumer, count):
    return [SQSMessage(consumer, {}, "a/b", f"m{number}", f"r{number}") for number in range(count)]


@pytest.fixture
def make_consumer(graph):
    def make(client, **more):
        return SQSConsumer(client, "queue", graph.sqs_envelope, NaiveBackoffPolicy(7), **more)

    return make


@pytest.mark.parametrize(
    ("verb", "code", "told"),
    [
        ("delete", "AccessDenied", "AccessDenied (allow sqs:DeleteMessage)"),
        ("nack", "AccessDeniedException", "AccessDeniedException (allow sqs:ChangeMessageVisibility)"),
        ("delete", "ExpiredToken", "ExpiredToken (renew the AWS session token)"),
        ("delete", "InternalError", "InternalError"),
    ],
)
def test_what_cannot_be_settled_says_what_can_be_done(make_consumer, verb, code, told):
    (message,) = make_consumer(SQSJsonReader(parcel(1))).consume()

    assert str(settle_error(verb, message, code)) == (
        f"Cannot {verb} message {message.message_id} ({message.media_type}): {told}; it will be received again when "
        "its visibility timeout runs out"
    )


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        ("AWS.SimpleQueueService.NonExistentQueue", "create the queue, or correct its name or the region"),
        ("QueueDoesNotExist", "create the queue, or correct its name or the region"),
        ("AccessDenied", "allow sqs:GetQueueUrl, or give the whole URL"),
        ("SignatureDoesNotMatch", "correct the AWS secret key, or this machine's clock"),
        ("InternalError", "check the name, the region and that sqs:GetQueueUrl is allowed, or give the whole URL"),
    ],
)
def test_a_name_that_cannot_be_looked_up_says_what_can_be_done(client_error, code, advice):
    with pytest.raises(QueueAccessError) as raised:
        resolve_queue_url(NameServer(client_error(code)), "orders", testing=False)
    assert str(raised.value) == f"Cannot look up the URL of queue 'orders': {code}; {advice}"


def test_consume(graph, queue):
    queue.send(parcel(1), parcel(2))

    messages = graph.sqs_consumer.consume()

    assert [message.content["number"] for message in messages] == [1, 2]
    assert [message.approximate_receive_count for message in messages] == [1, 1]
    assert all(message.message_id and message.receipt_handle for message in messages)
    assert graph.sqs_consumer.consume() == []
    assert len(queue.bodies) == 2


def test_how_a_receive_is_asked_for(make_graph):
    graph = make_graph(sqs_consumer={"sqs_queue_url": "my-queue", "limit": "3", "wait_seconds": "0"})

    graph.sqs_consumer.consume()

    arguments = graph.sqs_consumer.sqs_client.receive_message.call_args.kwargs
    assert (arguments["QueueUrl"], arguments["MaxNumberOfMessages"], arguments["WaitTimeSeconds"]) == ("my-queue", 3, 0)
    assert graph.sqs_consumer.sqs_queue_url == "my-queue"


def test_what_is_received_may_be_set(graph):
    graph.sqs_consumer.sqs_client.receive_message.return_value = {
        "Messages": [{"MessageId": "m", "ReceiptHandle": "r", "Body": dumps(parcel(1))}],
    }

    (message,) = graph.sqs_consumer.consume()
    message.ack()

    graph.sqs_consumer.sqs_client.delete_message.assert_called_once_with(QueueUrl="queue", ReceiptHandle="r")


@pytest.mark.parametrize(
    ("body", "error", "media_type"),
    [
        ("{not json", DecodeError, None),
        ([], DecodeError, None),
        ({"number": 1}, ValidationError, None),
        ({"mediaType": MEDIA_TYPE}, ValidationError, MEDIA_TYPE),
        ({"mediaType": created("consumer")}, ValidationError, created("consumer")),
    ],
)
def test_a_bad_body_concerns_its_message_alone(graph, queue, body, error, media_type):
    queue.send(parcel(1), body, parcel(3))

    first, bad, last = graph.sqs_consumer.consume()

    assert [message.content["number"] for message in (first, last)] == [1, 3]
    assert isinstance(bad.error, error)
    assert isinstance(bad.error, PubSubError)
    assert (bad.content, bad.media_type, bad.approximate_receive_count) == (None, media_type, 1)


def test_whatever_an_envelope_raises_concerns_its_message_alone(make_graph, look_at):
    graph = make_graph(sqs_envelope={"strategy_name": "ConsumerBrokenEnvelope"})
    look_at(graph).send("{}", "[]")

    messages = graph.sqs_consumer.consume()

    assert [type(message.error) for message in messages] == [ZeroDivisionError] * 2


def test_an_undecodable_message_is_not_deleted_unseen(graph, queue):
    queue.send("{not json", parcel(2))
    bad, good = graph.sqs_consumer.consume()

    for ack in (bad.ack, lambda: graph.sqs_consumer.ack(bad)):
        with pytest.raises(DecodeError):
            ack()
    (error,) = graph.sqs_consumer.ack_batch([bad, good])

    assert bad.message_id in str(error)
    assert queue.bodies == ["{not json"]
    bad.nack(0)
    assert queue.hidden_for == [0]


def test_ack_and_nack(graph, queue):
    queue.send(parcel(1), parcel(2), parcel(3), parcel(4))
    first, second, third, fourth = graph.sqs_consumer.consume()

    graph.sqs_consumer.ack(first)
    graph.sqs_consumer.nack(second)
    graph.sqs_consumer.nack(third, visibility_timeout_seconds=60)
    graph.sqs_consumer.nack(fourth, 0)

    assert queue.hidden_for == [5, 60, 0]
    assert all(message.settled for message in (first, second, third, fourth))


def test_what_is_nacked_comes_again(graph, queue, clock):
    queue.send(parcel(1))
    (message,) = graph.sqs_consumer.consume()

    message.nack(10)
    assert graph.sqs_consumer.consume() == []
    clock.advance(10)
    (message,) = graph.sqs_consumer.consume()

    assert message.approximate_receive_count == 2


def test_batches(graph, queue):
    queue.send(*(parcel(number) for number in range(10)))
    messages = graph.sqs_consumer.consume()

    assert graph.sqs_consumer.ack_batch(messages[:5]) == []
    assert graph.sqs_consumer.nack_batch([(messages[5], 0), (messages[6], None), (messages[7], 99)]) == []
    # what is settled stays so
    assert graph.sqs_consumer.ack_batch(messages[:6]) == []
    assert graph.sqs_consumer.ack_batch([]) == graph.sqs_consumer.nack_batch([]) == []

    assert queue.hidden_for == [0, 5, 99, 30, 30]
    assert graph.sqs_client.delete_message_batch.call_count == 1


def test_a_batch_holds_ten(make_flaky_client, make_consumer):
    client = make_flaky_client()
    consumer = make_consumer(client)

    assert consumer.ack_batch(make_messages(consumer, 21)) == []
    assert consumer.nack_batch((message, 1) for message in make_messages(consumer, 12)) == []

    assert [(name, len(handles)) for name, handles in client.calls] == [
        ("delete_message_batch", 10),
        ("delete_message_batch", 10),
        # one alone needs no batch
        ("delete_message", 1),
        ("change_message_visibility_batch", 10),
        ("change_message_visibility_batch", 2),
    ]


SENDER = {"SenderFault": True, "Code": "ReceiptHandleIsInvalid"}
QUEUE = {"SenderFault": False, "Code": "InternalError"}


@pytest.mark.parametrize("verb", ["delete", "nack"])
@pytest.mark.parametrize(
    ("failed", "refused", "settled", "errors"),
    [
        ({}, {}, [0, 1, 2], {}),
        ({"r1": SENDER}, {}, [0, 2], {"m1": "ReceiptHandleIsInvalid"}),
        # the queue's own failure is tried once more, alone
        ({"r1": QUEUE}, {}, [0, 2, 1], {}),
        ({"r1": QUEUE}, {"r1": "Throttling"}, [0, 2], {"m1": "Throttling"}),
        ({"r0": QUEUE, "r1": SENDER}, {"r0": "Throttling"}, [2], {"m1": "ReceiptHandleIsInvalid", "m0": "Throttling"}),
        ({"r0": SENDER, "r1": SENDER, "r2": SENDER}, {}, [], dict.fromkeys(["m0", "m1", "m2"], SENDER["Code"])),
    ],
)
def test_partial_failures(make_flaky_client, make_consumer, verb, failed, refused, settled, errors):
    client = make_flaky_client(failed=failed, refuse=refused)
    consumer = make_consumer(client)
    messages = make_messages(consumer, 3)

    if verb == "delete":
        actual = consumer.ack_batch(messages)
        assert client.deleted == [f"r{number}" for number in settled]
    else:
        actual = consumer.nack_batch([(message, number) for number, message in enumerate(messages)])
        assert client.released == {f"r{number}": number for number in settled}

    assert {number for number, message in enumerate(messages) if message.settled} == set(settled)
    assert len(actual) == len(errors)
    for error, (message_id, code) in zip(actual, errors.items(), strict=True):
        assert isinstance(error, SettleError)
        assert f"Cannot {verb} message {message_id} (a/b): {code}" in str(error)


def test_a_batch_that_is_refused_as_a_whole(make_flaky_client, make_consumer, client_error):
    client = make_flaky_client(down=client_error("Throttling"))
    consumer = make_consumer(client)
    messages = make_messages(consumer, 13)

    errors = consumer.ack_batch(messages)

    # each call stands for itself
    assert len([error for error in errors if "Throttling" in str(error)]) == 13
    assert [len(handles) for _, handles in client.calls] == [10, 3]
    assert not any(message.settled for message in messages)


@pytest.mark.parametrize("verb", ["ack", "nack"])
def test_a_message_that_the_queue_does_not_take(make_flaky_client, make_consumer, verb):
    consumer = make_consumer(make_flaky_client(refuse={"r0": "Throttling"}))
    (message,) = make_messages(consumer, 1)

    with pytest.raises(SettleError, match=r"m0.*Throttling.*again") as raised:
        getattr(message, verb)()

    assert raised.value.__cause__ is not None
    assert not message.settled


@pytest.mark.parametrize(
    ("code", "error"),
    [("AWS.SimpleQueueService.NonExistentQueue", QueueAccessError), ("ServiceUnavailable", ReceiveError)],
)
def test_a_receive_that_fails(graph, client_error, code, error):
    graph.sqs_client.receive_message.side_effect = client_error(code)

    with pytest.raises(error, match="queue") as raised:
        graph.sqs_consumer.consume()

    assert type(raised.value) is error
    assert raised.value.__cause__ is graph.sqs_client.receive_message.side_effect


def test_the_end_of_the_input(make_consumer):
    consumer = make_consumer(SQSJsonReader(parcel(1)))

    assert len(consumer.consume()) == 1
    with pytest.raises(EndOfInput):
        consumer.consume()


class NameServer:
    def __init__(self, error=None):
        self.error = error

    def get_queue_url(self, QueueName):
        if self.error:
            raise self.error
        return {"QueueUrl": f"https://example.com/1/{QueueName}"}


@pytest.mark.parametrize(
    ("source", "testing", "url"),
    [
        ("https://example.com/1/q", False, "https://example.com/1/q"),
        ("orders", False, "https://example.com/1/orders"),
        ("orders.fifo", False, "https://example.com/1/orders.fifo"),
        ("orders", True, "orders"),
        ("STDIN", False, "STDIN"),
    ],
)
def test_the_url_of_a_queue(source, testing, url):
    assert resolve_queue_url(NameServer(), source, testing) == url


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("no such queue", "neither a queue URL"),
        ("a b", "neither"),
    ],
)
def test_a_source_that_cannot_work(source, text):
    with pytest.raises(ConfigurationError, match=text):
        resolve_queue_url(NameServer(), source, False)


def test_a_name_that_cannot_be_looked_up(client_error):
    with pytest.raises(QueueAccessError, match=r"'orders'.*AccessDenied.*sqs:GetQueueUrl"):
        resolve_queue_url(NameServer(client_error("AccessDenied")), "orders", False)


def test_no_queue_is_refused():
    with pytest.raises(ConfigurationError, match="--sqs-queue-url"):
        _ = create_object_graph("test", loader=load_from_dict(sqs_consumer={"region_name": "us-east-1"})).sqs_consumer


def test_a_policy_of_ones_own(graph, queue):
    class ByNumber(BackoffPolicy):
        def compute_backoff_timeout(self, message, message_timeout):
            return message.content["number"]

    queue.send(parcel(11), parcel(12))
    consumer = SQSConsumer(graph.sqs_client, "queue", graph.sqs_envelope, ByNumber())

    assert consumer.nack_batch([(message, None) for message in consumer.consume()]) == []

    assert queue.hidden_for == [11, 12]


@pytest.mark.parametrize("source", [None, ""])
def test_without_a_source_no_client_is_asked_for(monkeypatch, source):
    # a client would need a region
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    graph = create_object_graph("test", loader=load_from_dict(sqs_consumer={"sqs_queue_url": source}))

    with pytest.raises(ConfigurationError, match="--sqs-queue-url"):
        _ = graph.sqs_consumer


class ConsumerForgetfulBackoffPolicy(BackoffPolicy):
    def compute_backoff_timeout(self, message, message_timeout):
        return None


def test_a_policy_that_gives_no_number_deletes_nothing(make_graph, look_at):
    graph = make_graph(sqs_consumer={"backoff_policy": "ConsumerForgetfulBackoffPolicy", "sqs_queue_url": "queue"})
    queue = look_at(graph)
    queue.send(*(parcel(number) for number in range(3)))

    with pytest.raises(TypeError):
        graph.sqs_consumer.nack_batch((message, None) for message in graph.sqs_consumer.consume())

    assert len(queue.bodies) == 3
