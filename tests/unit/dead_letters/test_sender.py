"""
Sending messages to a dead-letter queue.
"""

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from microcosm_pubsub.dead_letters import DeadLetterQueue, DeadLetterSender, Reason
from microcosm_pubsub.dead_letters.sender import MAX_BATCH_BYTES, OutgoingMessage, QueueSender
from microcosm_pubsub.errors import SettleError


REASON = Reason("FAILED", error="KeyError")


def sender_of(box, client=None):
    client = client or box.client
    return DeadLetterSender(client, DeadLetterQueue(client, box.source, clock=box.clock))


def bury(box, client=None, reason=REASON):
    """Take what is in the source queue to the dead-letter queue, and return what became of it."""
    messages = box.receive(box.source)
    errors = sender_of(box, client).send([(message, reason) for message in messages])
    return dict(zip([message["Body"] for message in messages], errors, strict=True))


ATTRIBUTES = {
    "text": {"DataType": "String.kind", "StringValue": "é"},
    "number": {"DataType": "Number", "StringValue": "1.5"},
    "blob": {"DataType": "Binary", "BinaryValue": b"\x00\xff"},
}


def test_body_attributes_and_trace_stay_what_they_were(box):
    trace = {"AWSTraceHeader": {"DataType": "String", "StringValue": "Root=1-5759e988-bd862e3fe1be46a994272793"}}
    box.send("body \U0001f600", url=box.source, attributes=ATTRIBUTES, MessageSystemAttributes=trace)

    assert bury(box) == {"body \U0001f600": None}

    (message,) = box.receive()
    assert message["Body"] == "body \U0001f600"
    assert {name: message["MessageAttributes"][name] for name in ATTRIBUTES} == ATTRIBUTES
    assert Reason.from_attributes(message["MessageAttributes"]) == REASON
    assert message["Attributes"]["AWSTraceHeader"] == "Root=1-5759e988-bd862e3fe1be46a994272793"
    # who calls it deletes
    assert len(box.stored(box.source)) == 1


def test_a_group_of_a_fair_queue_is_kept(box):
    box.send("a", url=box.source, MessageGroupId="tenant")
    bury(box)

    assert [message.group_id for message in box.stored()] == ["tenant"]


def test_ten_at_a_time(box, spoil):
    client = spoil(box.client)
    raws = [{"MessageId": str(index), "Body": str(index)} for index in range(25)]

    assert sender_of(box, client).send([(raw, REASON) for raw in raws]) == [None] * 25

    assert [len(call["Entries"]) for method, call in client.calls if method == "send_message_batch"] == [10, 10, 5]
    assert sorted(box.bodies(), key=int) == [raw["Body"] for raw in raws]
    assert sender_of(box).send([]) == []


def test_at_most_a_mebibyte_at_a_time(box, spoil):
    client = spoil(box.client)
    raws = [{"MessageId": str(index), "Body": "é" * 200_000} for index in range(5)]

    assert sender_of(box, client).send([(raw, REASON) for raw in raws]) == [None] * 5

    assert [len(call["Entries"]) for method, call in client.calls if method == "send_message_batch"] == [2, 2, 1]


def test_a_body_that_takes_all_the_room_goes_without_its_reason(box):
    assert sender_of(box).send([({"MessageId": "m", "Body": "x" * MAX_BATCH_BYTES}, REASON)]) == [None]

    (message,) = box.stored()
    assert (len(message.body), message.message_attributes) == (MAX_BATCH_BYTES, {})


def test_what_a_queue_refuses_with_its_reason_goes_without(box):
    box.client.set_queue_attributes(QueueUrl=box.dead, Attributes={"MaximumMessageSize": "1024"})
    raws = [{"MessageId": "long", "Body": "x" * 1000}, {"MessageId": "short", "Body": "y"}]

    assert sender_of(box).send([(raw, REASON) for raw in raws]) == [None, None]

    reasons = {message.body[0]: Reason.from_attributes(message.message_attributes) for message in box.stored()}
    assert reasons == {"x": None, "y": REASON}


def test_one_that_fails_concerns_itself_alone(box, spoil):
    refuse = {"send_message_batch": lambda entry: "InvalidMessageContents" if entry["MessageBody"] == "bad" else None}
    for body in ("a", "bad", "b"):
        box.send(body, url=box.source)

    errors = bury(box, spoil(box.client, refuse))

    assert [body for body, error in errors.items() if error is None] == ["a", "b"]
    assert sorted(box.bodies()) == ["a", "b"]
    assert isinstance(errors["bad"], SettleError)
    assert "InvalidMessageContents" in str(errors["bad"])
    assert "it stays where it is" in str(errors["bad"])


def test_an_entry_that_the_queue_failed_on_is_tried_once_more(box, spoil):
    failing = {"a", "c"}

    def refuse(entry):
        if len(client.calls) > 1:
            failing.discard("a")
        return "InternalError" if entry["MessageBody"] in failing else None

    client = spoil(box.client, {"send_message_batch": refuse})
    messages = [OutgoingMessage({"MessageId": body, "Body": body}, {}) for body in ("a", "b", "c")]

    errors = QueueSender(client, box.dead).send(messages)

    assert [error is None for error in errors] == [True, True, False]
    assert [len(call["Entries"]) for _, call in client.calls] == [3, 1, 1]
    assert sorted(box.bodies()) == ["a", "b"]


def test_a_call_that_fails_for_one_of_its_entries_is_made_for_each(box, spoil):
    raws = [{"MessageId": "m", "Body": "a"}, {"MessageId": "n", "Body": 7}, {"MessageId": "o", "Body": "b"}]

    first, second, third = sender_of(box).send([(raw, REASON) for raw in raws])

    assert (first, third) == (None, None)
    assert "ParamValidationError" in str(second)
    assert sorted(box.bodies()) == ["a", "b"]


@pytest.mark.parametrize(
    "error",
    [
        ClientError({"Error": {"Code": "AccessDenied"}}, "SendMessageBatch"),
        ClientError({"Error": {"Code": "ThrottlingException"}}, "SendMessageBatch"),
        ClientError(
            {"Error": {"Code": "InternalError"}, "ResponseMetadata": {"HTTPStatusCode": 500}}, "SendMessageBatch"
        ),
        EndpointConnectionError(endpoint_url="http://x"),
    ],
)
def test_a_call_that_fails_is_not_made_for_each(box, spoil, error):
    client = spoil(box.client, down={"send_message_batch": [error]})
    box.send("a", "b", url=box.source)

    errors = bury(box, client)

    assert all(isinstance(error, SettleError) for error in errors.values())
    assert [method for method, _ in client.calls].count("send_message_batch") == 1
    assert box.stored() == []


def test_what_is_not_confirmed_was_not_sent(box):
    class Silent:
        def send_message_batch(self, **kwargs):
            return {}

    (error,) = QueueSender(Silent(), box.dead).send([OutgoingMessage({"MessageId": "m", "Body": "a"}, {})])

    assert "no answer" in str(error)


def test_without_a_dead_letter_queue(box):
    queue = DeadLetterQueue(box.client, box.create("bare"))

    (error,) = DeadLetterSender(box.client, queue).send([({"MessageId": "m", "Body": "secret"}, REASON)])

    assert "has no dead-letter queue to go to" in str(error)
    assert "secret" not in str(error)


class TestFifo:
    def test_group_and_order_are_kept(self, fifo_box, spoil):
        client = spoil(fifo_box.client)
        for group in ("g", "h"):
            fifo_box.send(*(f"{group}{index}" for index in range(4)), url=fifo_box.source, group=group)

        assert set(bury(fifo_box, client).values()) == {None}

        # no call takes two of a group: of two in one call, the first may fail, and the second not
        groups = [
            [entry["MessageGroupId"] for entry in call["Entries"]]
            for method, call in client.calls
            if method == "send_message_batch"
        ]
        assert groups == [["g", "h"]] * 4
        for group in ("g", "h"):
            assert [m.body for m in fifo_box.stored() if m.group_id == group] == [f"{group}{i}" for i in range(4)]

    def test_sent_twice_it_is_there_once(self, fifo_box):
        fifo_box.send("a", url=fifo_box.source)
        (message,) = fifo_box.receive(fifo_box.source)
        sender = sender_of(fifo_box)

        assert sender.send([(message, REASON)]) == sender.send([(message, REASON)]) == [None]

        (stored,) = fifo_box.stored()
        assert stored.deduplication_id == message["MessageId"]

    def test_what_comes_after_a_failed_one_of_its_group_is_not_sent(self, fifo_box, spoil):
        refuse = {
            "send_message_batch": lambda entry: "InvalidMessageContents" if entry["MessageBody"] == "g1" else None
        }
        fifo_box.send("g0", "g1", "g2", url=fifo_box.source, group="g")
        fifo_box.send("h0", "h1", url=fifo_box.source, group="h")

        errors = bury(fifo_box, spoil(fifo_box.client, refuse))

        assert [body for body, error in errors.items() if error is not None] == ["g1", "g2"]
        assert "an earlier message of its group" in str(errors["g2"])
        assert sorted(fifo_box.bodies()) == ["g0", "h0", "h1"]

    def test_what_has_no_group_gets_one_of_its_own(self, fifo_box):
        raws = [{"MessageId": name, "Body": name} for name in ("a", "file name:3")]

        assert QueueSender(fifo_box.client, fifo_box.dead).send([OutgoingMessage(raw, {}) for raw in raws]) == [
            None,
            None,
        ]

        assert len({message.group_id for message in fifo_box.stored()}) == 2
