"""
The in-memory SQS client.

"""
from concurrent.futures import ThreadPoolExecutor
from hashlib import md5

import pytest
from botocore.exceptions import ClientError

from microcosm_pubsub.testing import MemoryEngine


QUEUE = "https://sqs.example/1/queue"
FIFO = "https://sqs.example/1/queue.fifo"
HOURS = 60 * 60


class Clock:
    def __init__(self):
        self.now = 1_700_000_000.5

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def engine(clock):
    return MemoryEngine(clock=clock)


@pytest.fixture
def client(engine):
    return engine.queue_client


def send(client, *bodies, url=QUEUE, **kwargs):
    return [client.send_message(QueueUrl=url, MessageBody=body, **kwargs)["MessageId"] for body in bodies]


def receive(client, url=QUEUE, limit=10, **kwargs):
    answer = client.receive_message(QueueUrl=url, MaxNumberOfMessages=limit, **kwargs)
    return answer.get("Messages", [])


def bodies(messages):
    return [message["Body"] for message in messages]


def test_empty_answer_has_no_messages(client):
    answer = client.receive_message(QueueUrl=QUEUE, WaitTimeSeconds=20)

    assert set(answer) == {"ResponseMetadata"}
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200


def test_any_text_is_a_queue(client):
    send(client, "body", url="STDIN")

    assert bodies(receive(client, url="STDIN")) == ["body"]
    assert receive(client, url="another") == []


def test_received_message(client):
    sent = client.send_message(QueueUrl=QUEUE, MessageBody="body")

    [message] = client.receive_message(QueueUrl=QUEUE)["Messages"]

    assert message == {
        "MessageId": sent["MessageId"],
        "ReceiptHandle": message["ReceiptHandle"],
        "MD5OfBody": md5(b"body").hexdigest(),
        "Body": "body",
    }
    assert sent["MD5OfMessageBody"] == message["MD5OfBody"]


def test_receives_one_message_unless_asked_for_more(client):
    send(client, "a", "b", "c")

    assert len(client.receive_message(QueueUrl=QUEUE)["Messages"]) == 1
    assert bodies(receive(client)) == ["b", "c"]


@pytest.mark.parametrize("parameter", ["AttributeNames", "MessageSystemAttributeNames"])
@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ([], None),
        (["ApproximateReceiveCount"], {"ApproximateReceiveCount": "1"}),
        (["SentTimestamp"], {"SentTimestamp": "1700000000500"}),
        (["MessageGroupId"], {"MessageGroupId": "lane"}),
        (["AWSTraceHeader"], {"AWSTraceHeader": "Root=1"}),
        (
            ["All"],
            {
                "AWSTraceHeader": "Root=1",
                "SenderId": "AIDAMEMORY",
                "SentTimestamp": "1700000000500",
                "ApproximateReceiveCount": "1",
                "ApproximateFirstReceiveTimestamp": "1700000000500",
                "MessageGroupId": "lane",
            },
        ),
    ],
)
def test_attributes(client, parameter, names, expected):
    trace = {"AWSTraceHeader": {"DataType": "String", "StringValue": "Root=1"}}
    send(client, "body", MessageGroupId="lane", MessageSystemAttributes=trace)

    [message] = receive(client, **{parameter: names})

    assert message.get("Attributes") == expected


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ([], None),
        (["All"], {"media_type", "media_size", "other"}),
        ([".*"], {"media_type", "media_size", "other"}),
        (["media_type", "unknown"], {"media_type"}),
        (["media.*"], {"media_type", "media_size"}),
    ],
)
def test_message_attributes(client, names, expected):
    attributes = {
        name: {"DataType": "String", "StringValue": name} for name in ("media_type", "media_size", "other")
    }
    send(client, "body", MessageAttributes=attributes)

    [message] = receive(client, MessageAttributeNames=names)

    assert message.get("MessageAttributes") == (
        None if expected is None else {name: attributes[name] for name in expected}
    )


def test_message_is_hidden_for_the_visibility_timeout(client, clock):
    send(client, "body")
    assert bodies(receive(client)) == ["body"]

    clock.now += 29
    assert receive(client) == []

    clock.now += 1
    [message] = receive(client, AttributeNames=["All"])
    assert message["Attributes"]["ApproximateReceiveCount"] == "2"
    assert message["Attributes"]["ApproximateFirstReceiveTimestamp"] == "1700000000500"


def test_receive_chooses_the_visibility_timeout(client, clock):
    send(client, "body")
    receive(client, VisibilityTimeout=5)

    clock.now += 5

    assert bodies(receive(client)) == ["body"]


def test_engine_chooses_the_visibility_timeout(clock):
    client = MemoryEngine(clock=clock, visibility_timeout_seconds=0).queue_client
    send(client, "body")

    assert bodies(receive(client)) == bodies(receive(client)) == ["body"]


def test_delete(engine, client, clock):
    send(client, "a", "b")
    [first] = receive(client, limit=1)

    client.delete_message(QueueUrl=QUEUE, ReceiptHandle=first["ReceiptHandle"])
    client.delete_message(QueueUrl=QUEUE, ReceiptHandle=first["ReceiptHandle"])

    assert [message.body for message in engine.messages(QUEUE)] == ["b"]


def test_stale_handle_deletes_nothing(engine, client, clock):
    send(client, "body")
    [stale] = receive(client)
    clock.now += 30
    [fresh] = receive(client)

    client.delete_message(QueueUrl=QUEUE, ReceiptHandle=stale["ReceiptHandle"])
    assert len(engine.messages(QUEUE)) == 1

    client.delete_message(QueueUrl=QUEUE, ReceiptHandle=fresh["ReceiptHandle"])
    assert engine.messages(QUEUE) == []


def test_unknown_handle_is_accepted(engine, client):
    send(client, "body")

    client.delete_message(QueueUrl=QUEUE, ReceiptHandle="of my own")
    client.change_message_visibility(QueueUrl=QUEUE, ReceiptHandle="of my own", VisibilityTimeout=0)

    assert len(engine.messages(QUEUE)) == 1


def test_nack_at_once(client):
    send(client, "body")
    [message] = receive(client)

    client.change_message_visibility(
        QueueUrl=QUEUE, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0
    )

    assert bodies(receive(client)) == ["body"]


def test_visibility_is_extended_from_now(client, clock):
    send(client, "body")
    [message] = receive(client)
    clock.now += 20

    client.change_message_visibility(
        QueueUrl=QUEUE, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=20
    )

    clock.now += 19
    assert receive(client) == []
    clock.now += 1
    assert bodies(receive(client)) == ["body"]


def _deleted(client, clock, handle):
    client.delete_message(QueueUrl=QUEUE, ReceiptHandle=handle)


def _received_again(client, clock, handle):
    clock.now += 30
    receive(client)


def _visible_again(client, clock, handle):
    clock.now += 30


def _held_for_long(client, clock, handle):
    client.change_message_visibility(
        QueueUrl=QUEUE, ReceiptHandle=handle, VisibilityTimeout=10 * HOURS
    )
    clock.now += 9 * HOURS


@pytest.mark.parametrize(
    ("happens", "code"),
    [
        (_deleted, "InvalidParameterValue"),
        (_received_again, "InvalidParameterValue"),
        (_visible_again, "AWS.SimpleQueueService.MessageNotInflight"),
        (_held_for_long, "InvalidParameterValue"),
    ],
)
def test_lost_lease_cannot_be_extended(client, clock, happens, code):
    send(client, "body")
    [message] = receive(client)
    happens(client, clock, message["ReceiptHandle"])

    with pytest.raises(ClientError) as raised:
        client.change_message_visibility(
            QueueUrl=QUEUE, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=4 * HOURS
        )

    assert raised.value.response["Error"]["Code"] == code
    assert raised.value.operation_name == "ChangeMessageVisibility"


@pytest.mark.parametrize(
    ("method", "kwargs"),
    [
        ("receive_message", {"MaxNumberOfMessages": 0}),
        ("receive_message", {"MaxNumberOfMessages": 11}),
        ("receive_message", {"WaitTimeSeconds": 21}),
        ("receive_message", {"VisibilityTimeout": 43201}),
        ("receive_message", {"VisibilityTimeout": -1}),
        ("change_message_visibility", {"ReceiptHandle": "x", "VisibilityTimeout": 43201}),
        ("change_message_visibility", {"ReceiptHandle": "x", "VisibilityTimeout": -1}),
        ("send_message", {"MessageBody": "body", "DelaySeconds": 901}),
    ],
)
def test_parameters_out_of_range(client, method, kwargs):
    with pytest.raises(ClientError) as raised:
        getattr(client, method)(QueueUrl=QUEUE, **kwargs)

    assert raised.value.response["Error"]["Code"] == "InvalidParameterValue"


def test_unknown_parameters_are_refused(client):
    with pytest.raises(TypeError):
        client.receive_message(QueueUrl=QUEUE, Unknown=1)


def test_delay(client, clock):
    send(client, "body", DelaySeconds=10)
    assert receive(client) == []

    clock.now += 10
    assert bodies(receive(client)) == ["body"]


@pytest.mark.parametrize("size", [1, 10])
def test_batches(engine, client, size):
    answer = client.send_message_batch(
        QueueUrl=QUEUE,
        Entries=[{"Id": str(index), "MessageBody": f"body {index}"} for index in range(size)],
    )
    assert [entry["Id"] for entry in answer["Successful"]] == [str(index) for index in range(size)]
    assert all({"MessageId", "MD5OfMessageBody"} <= set(entry) for entry in answer["Successful"])
    assert "Failed" not in answer

    entries = [
        {"Id": str(index), "ReceiptHandle": message["ReceiptHandle"]}
        for index, message in enumerate(receive(client))
    ]
    client.change_message_visibility_batch(
        QueueUrl=QUEUE, Entries=[{**entry, "VisibilityTimeout": 0} for entry in entries]
    )
    entries = [
        {"Id": str(index), "ReceiptHandle": message["ReceiptHandle"]}
        for index, message in enumerate(receive(client))
    ]
    assert len(entries) == size

    answer = client.delete_message_batch(QueueUrl=QUEUE, Entries=entries)
    assert answer["Successful"] == [{"Id": str(index)} for index in range(size)]
    assert engine.messages(QUEUE) == []


def test_one_failed_entry_leaves_the_others(client, clock):
    send(client, "a", "b", "c")
    handles = [message["ReceiptHandle"] for message in receive(client)]
    client.delete_message(QueueUrl=QUEUE, ReceiptHandle=handles[1])

    answer = client.change_message_visibility_batch(
        QueueUrl=QUEUE,
        Entries=[
            {"Id": f"{index}", "ReceiptHandle": handle, "VisibilityTimeout": 0}
            for index, handle in enumerate(handles)
        ],
    )

    assert answer["Successful"] == [{"Id": "0"}, {"Id": "2"}]
    [failed] = answer["Failed"]
    assert (failed["Id"], failed["Code"], failed["SenderFault"]) == ("1", "InvalidParameterValue", True)
    assert bodies(receive(client)) == ["a", "c"]


@pytest.mark.parametrize("method", ["delete_message_batch", "change_message_visibility_batch"])
@pytest.mark.parametrize(
    ("ids", "code"),
    [
        ([], "EmptyBatchRequest"),
        ([str(index) for index in range(11)], "TooManyEntriesInBatchRequest"),
        (["a", "a"], "BatchEntryIdsNotDistinct"),
        (["a b"], "InvalidBatchEntryId"),
        (["a" * 81], "InvalidBatchEntryId"),
    ],
)
def test_refused_batches(client, method, ids, code):
    entries = [{"Id": id_, "ReceiptHandle": "x", "VisibilityTimeout": 0} for id_ in ids]

    with pytest.raises(ClientError) as raised:
        getattr(client, method)(QueueUrl=QUEUE, Entries=entries)

    assert raised.value.response["Error"]["Code"] == f"AWS.SimpleQueueService.{code}"


def test_get_queue_url(client):
    receive(client)

    assert client.get_queue_url(QueueName="queue")["QueueUrl"] == QUEUE
    with pytest.raises(ClientError) as raised:
        client.get_queue_url(QueueName="unknown")
    assert raised.value.response["Error"]["Code"] == "AWS.SimpleQueueService.NonExistentQueue"


def test_purge_queue(engine, client):
    send(client, "a", "b")
    receive(client, limit=1)

    client.purge_queue(QueueUrl=QUEUE)

    assert engine.messages(QUEUE) == []


def test_fifo_group_is_blocked_while_in_flight(client):
    for group, body in (("x", "x1"), ("y", "y1"), ("x", "x2"), ("y", "y2")):
        send(client, body, url=FIFO, MessageGroupId=group)

    [first] = receive(client, url=FIFO, limit=1)
    assert first["Body"] == "x1"

    [second] = receive(client, url=FIFO, limit=1)
    assert second["Body"] == "y1"
    assert receive(client, url=FIFO) == []

    client.delete_message(QueueUrl=FIFO, ReceiptHandle=first["ReceiptHandle"])
    assert bodies(receive(client, url=FIFO)) == ["x2"]


def test_fifo_order_is_kept(client):
    send(client, "1", "2", "3", url=FIFO, MessageGroupId="x")

    messages = receive(client, url=FIFO, limit=2)
    assert bodies(messages) == ["1", "2"]

    for message in reversed(messages):
        client.change_message_visibility(
            QueueUrl=FIFO, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0
        )
    assert bodies(receive(client, url=FIFO)) == ["1", "2", "3"]


def test_fifo_delayed_retry_holds_its_group(client, clock):
    send(client, "1", "2", url=FIFO, MessageGroupId="x")
    [first] = receive(client, url=FIFO, limit=1)

    client.change_message_visibility(
        QueueUrl=FIFO, ReceiptHandle=first["ReceiptHandle"], VisibilityTimeout=60
    )

    assert receive(client, url=FIFO) == []
    clock.now += 60
    assert bodies(receive(client, url=FIFO)) == ["1", "2"]


def test_group_of_a_standard_queue_blocks_nothing(client):
    send(client, "1", "2", MessageGroupId="x")

    assert bodies(receive(client, limit=1)) == ["1"]
    assert bodies(receive(client, limit=1)) == ["2"]


def test_fifo_deduplicates_for_five_minutes(engine, client, clock):
    same = {"MessageGroupId": "x", "MessageDeduplicationId": "d"}
    assert len(set(send(client, "1", "1", url=FIFO, **same))) == 1
    assert len(engine.messages(FIFO)) == 1

    clock.now += 300
    send(client, "1", url=FIFO, **same)
    assert len(engine.messages(FIFO)) == 2


def test_fifo_numbers_its_messages(client):
    sent = [
        client.send_message(QueueUrl=FIFO, MessageBody=body, MessageGroupId="x")["SequenceNumber"]
        for body in ("1", "2")
    ]

    messages = receive(client, url=FIFO, AttributeNames=["All"])

    assert sent == sorted(sent)
    assert [message["Attributes"]["SequenceNumber"] for message in messages] == sent


@pytest.mark.parametrize(
    ("kwargs", "code"),
    [
        ({}, "MissingParameter"),
        ({"MessageGroupId": "x", "DelaySeconds": 1}, "InvalidParameterValue"),
    ],
)
def test_fifo_refuses(client, kwargs, code):
    with pytest.raises(ClientError) as raised:
        send(client, "1", url=FIFO, **kwargs)

    assert raised.value.response["Error"]["Code"] == code


def test_empty_body_is_refused(client):
    with pytest.raises(ClientError) as raised:
        send(client, "")

    assert raised.value.response["Error"]["Code"] == "MissingParameter"


def test_threads_share_a_queue(engine, client):
    send(client, *(str(number) for number in range(200)))

    def drain(_):
        taken = []
        while messages := receive(client, limit=3):
            for message in messages:
                client.delete_message(QueueUrl=QUEUE, ReceiptHandle=message["ReceiptHandle"])
            taken += bodies(messages)
        return taken

    with ThreadPoolExecutor(8) as pool:
        taken = [body for bodies_ in pool.map(drain, range(8)) for body in bodies_]

    assert sorted(taken, key=int) == [str(number) for number in range(200)]
    assert engine.messages(QUEUE) == []
