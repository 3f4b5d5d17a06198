"""Clients that nobody here wrote do a round against `pubsub serve`, which verifies their signatures."""

import json
import shutil

import pytest

from microcosm_pubsub.broker.errors import load_service
from microcosm_pubsub.server.protocols.query_names import element_of, names_of_entry
from tests.peers.environments import PROGRAMS, Round, make_node, make_python, wait_until


#: Registries are asked on the first run.
pytestmark = pytest.mark.timeout(600)


@pytest.mark.parametrize("name", ["boto3-newest", "boto3-1.28"])
def test_boto3(peer, name):
    version = peer.run(make_python(name) / "python", PROGRAMS / "boto3_round.py")
    assert name == "boto3-newest" or version == "1.28.0\n"


def test_the_query_protocol_has_the_names_of_the_last_model_that_said_them(peer):
    told = json.loads(peer.run(make_python("boto3-1.28") / "python", PROGRAMS / "names_round.py"))
    assert len(told) > 30
    service = load_service("sqs")
    for key, names in told.items():
        shape_name, member = key.split(".")
        shape = service.shape_for(shape_name).members[member]
        assert element_of("sqs", member, shape) == names[0], key
        assert names[1] or member == "Results", key
        if shape.type_name == "map":
            assert names_of_entry("sqs", member, shape) == (names[2], names[3]), key


def test_aioboto3(peer):
    peer.run(make_python("aioboto3") / "python", PROGRAMS / "aioboto3_round.py")


def test_awscli(peer):
    aws = make_python("awscli") / "aws"

    def call(*words):
        said = peer.run(aws, "--endpoint-url", peer.url, *words)
        return json.loads(said) if said.strip() else {}

    assert call("sts", "get-caller-identity")["Account"] == "000000000000"
    dead = call("sqs", "create-queue", "--queue-name", "dead")["QueueUrl"]
    policy = {"deadLetterTargetArn": "arn:aws:sqs:eu-central-1:000000000000:dead", "maxReceiveCount": "1"}
    attributes = json.dumps({"RedrivePolicy": json.dumps(policy)})
    url = call("sqs", "create-queue", "--queue-name", "orders", "--attributes", attributes)["QueueUrl"]
    topic = call("sns", "create-topic", "--name", "events")["TopicArn"]
    assert topic == "arn:aws:sns:eu-central-1:000000000000:events"
    endpoint = "arn:aws:sqs:eu-central-1:000000000000:orders"
    filters = json.dumps({"RawMessageDelivery": "true", "FilterPolicy": json.dumps({"kind": ["wanted"]})})
    call(
        *("sns", "subscribe", "--topic-arn", topic, "--protocol", "sqs"),
        *("--notification-endpoint", endpoint, "--attributes", filters),
    )
    wanted = json.dumps({"kind": {"DataType": "String", "StringValue": "wanted"}})
    call("sns", "publish", "--topic-arn", topic, "--message", "hello", "--message-attributes", wanted)
    call("sns", "publish", "--topic-arn", topic, "--message", "unwanted")
    (message,) = call("sqs", "receive-message", "--queue-url", url, "--visibility-timeout", "0")["Messages"]
    assert message["Body"] == "hello"
    assert call("sqs", "receive-message", "--queue-url", url) == {}
    (letter,) = call("sqs", "receive-message", "--queue-url", dead)["Messages"]
    call(
        *("sqs", "change-message-visibility", "--queue-url", dead, "--receipt-handle", letter["ReceiptHandle"]),
        *("--visibility-timeout", "0"),
    )
    call("sqs", "start-message-move-task", "--source-arn", "arn:aws:sqs:eu-central-1:000000000000:dead")
    (again,) = call("sqs", "receive-message", "--queue-url", url)["Messages"]
    assert again["Body"] == "hello"
    call("sqs", "delete-message", "--queue-url", url, "--receipt-handle", again["ReceiptHandle"])
    fifo = call(
        *("sqs", "create-queue", "--queue-name", "orders.fifo"),
        *("--attributes", "FifoQueue=true,ContentBasedDeduplication=true"),
    )["QueueUrl"]
    sent = call("sqs", "send-message", "--queue-url", fifo, "--message-body", "1", "--message-group-id", "g")
    assert len(sent["SequenceNumber"]) == 20
    call("sqs", "send-message", "--queue-url", fifo, "--message-body", "1", "--message-group-id", "g")
    received = call("sqs", "receive-message", "--queue-url", fifo, "--max-number-of-messages", "10")["Messages"]
    assert [message["Body"] for message in received] == ["1"]
    assert len(call("sqs", "list-queues")["QueueUrls"]) == 3
    # the tool turns pages by itself
    assert len(call("sqs", "list-queues", "--page-size", "1")["QueueUrls"]) == 3


def test_celery(peer):
    programs = make_python("celery")
    shutil.copy(PROGRAMS / "celery_tasks.py", peer.directory)
    send = "from celery_tasks import add, note; [add.delay(number, 10) for number in range(5)]; "
    send += "[add.apply_async((number, 10), queue='ordered.fifo') for number in range(5, 10)]; note.delay(13); "
    send += "[note.apply_async((number,), queue='staging') for number in (20, 21)]"
    around = Round(peer, "celery", "celery-dead", VisibilityTimeout="2")
    with peer.start(
        *(programs / "celery", "-A", "celery_tasks", "worker", "--pool", "solo", "-Q", "celery,ordered.fifo"),
        *("--without-gossip", "--without-mingle"),
    ):
        peer.run(programs / "python", "-c", send)
        wait_until(lambda: len(list(peer.directory.glob("sum-*"))) == 10, 60)
        # the words of celery, by way of a topic
        staging = around.sqs.get_queue_url(QueueName="staging")["QueueUrl"]
        staged = around.sqs.receive_message(QueueUrl=staging, MaxNumberOfMessages=10)["Messages"]
        for kind, message in zip(("wanted", "other"), staged, strict=True):
            around.publish(message["Body"], kind)
        around.redrive()
        (peer.directory / "mended").touch()
        wait_until((peer.directory / "noted-13").exists, 60)
        wait_until(lambda: around.count(around.url) == 0, 60)
    assert (peer.directory / "sum-3").read_text() == "13"
    assert len(list(peer.directory.glob("noted-*"))) == 2


def test_dramatiq(peer):
    programs = make_python("dramatiq")
    shutil.copy(PROGRAMS / "dramatiq_tasks.py", peer.directory)
    # it knows of no FIFO queues, and sends dead letters itself
    around = Round(peer, "peers_default", "peers_default_dlq")
    with peer.start(programs / "dramatiq", "dramatiq_tasks", "--processes", "1", "--threads", "4"):
        peer.run(programs / "python", "dramatiq_tasks.py")
        wait_until(lambda: len(list(peer.directory.glob("noted-*"))) == 19, 60)
        write = "from base64 import b64encode; from dramatiq_tasks import note; "
        write += "[print(b64encode(note.message(number).encode()).decode()) for number in (20, 21)]"
        for kind, body in zip(("wanted", "other"), peer.run(programs / "python", "-c", write).split(), strict=True):
            around.publish(body, kind)
        wait_until((peer.directory / "noted-20").exists, 60)
        wait_until(lambda: around.count(around.dead_url) == 1, 60)
        (peer.directory / "mended").touch()
        around.redrive()
        wait_until((peer.directory / "noted-13").exists, 60)
    assert not (peer.directory / "noted-21").exists()


@pytest.mark.parametrize("program", ["sdk_round.mjs", "sqs_consumer.mjs"])
def test_node(peer, program):
    modules = make_node() / "node_modules"
    (peer.directory / "node_modules").symlink_to(modules)
    shutil.copy(PROGRAMS / program, peer.directory)
    peer.run("node", program)
