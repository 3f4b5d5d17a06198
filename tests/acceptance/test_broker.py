"""
The same daemons on the embedded broker: no AWS, no server.
"""

import sqlite3
from pathlib import Path
from signal import SIGTERM

import pytest
from microcosm.api import create_object_graph, load_from_dict

from microcosm_pubsub.broker.factory import open_broker


PARCELS = Path(__file__).parent / "daemons" / "parcels.py"
MEDIA_TYPE = "application/vnd.acceptance.parcel"


@pytest.fixture
def producer():
    """A producer of parcels, for the broker of a URL."""
    from marshmallow import fields

    from microcosm_pubsub.codecs import PubSubMessageSchema

    class ParcelSchema(PubSubMessageSchema):
        number = fields.Integer(required=True)

    clients = []

    def make(url: str):
        graph = create_object_graph("shop", loader=load_from_dict(pubsub_broker={"url": url}))
        graph.pubsub_message_schema_registry.register(MEDIA_TYPE, ParcelSchema)
        clients.append(graph.pubsub_broker)
        return graph.sns_producer

    yield make
    for client in clients:
        client.close()


def depth(url: str, queue: str) -> dict[str, str]:
    clients = open_broker(url)
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    answer = clients.queue_client.get_queue_attributes(QueueUrl=queue, AttributeNames=names)
    clients.close()
    return answer["Attributes"]


@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize("database", ["file", "postgresql"])
def test_publish_and_handle(start, producer, tmp_path, request, database, processes):
    if database == "file":
        url = f"sqlite:///{tmp_path / 'pubsub.db'}"
    else:
        url = request.getfixturevalue("postgres").create_database()
    daemon = start(PARCELS, "--broker-url", url, "--processes", str(processes))
    for _ in range(processes):
        daemon.read_until("Starting daemon parcels")

    results = producer(url).produce_batch([{"media_type": MEDIA_TYPE, "number": number} for number in range(50)])
    assert all(result.ok for result in results)
    for _ in range(50):
        daemon.read_until("SUCCEEDED: ")
    daemon.process.send_signal(SIGTERM)

    assert daemon.end() == 0, daemon.text
    assert sorted(daemon.handled) == list(range(50))
    assert set(depth(url, "parcels").values()) == {"0"}


def test_a_daemon_makes_what_its_handlers_need(start, tmp_path):
    url = f"sqlite:///{tmp_path / 'pubsub.db'}"
    daemon = start(PARCELS, "--sqs-queue-url", "warehouse", PUBSUB_BROKER_URL=url)
    daemon.read_until("Starting daemon parcels")
    daemon.process.send_signal(SIGTERM)
    assert daemon.end() == 0, daemon.text

    clients = open_broker(url)
    queues = clients.queue_client.list_queues()["QueueUrls"]
    assert [name.rsplit("/", 1)[1] for name in queues] == ["warehouse", "warehouse-dead-letters"]
    (subscription,) = clients.topic_client.client.list_subscriptions()["Subscriptions"]
    arn = subscription["SubscriptionArn"]
    attributes = clients.topic_client.client.get_subscription_attributes(SubscriptionArn=arn)["Attributes"]
    assert attributes["FilterPolicy"] == f'{{"media_type": ["{MEDIA_TYPE}"]}}'
    clients.close()


def test_a_newer_schema_is_refused(start, tmp_path):
    path = tmp_path / "pubsub.db"
    open_broker(f"sqlite:///{path}").close()
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE pubsub_alembic_version SET version_num = '9999'")
    connection.close()

    daemon = start(PARCELS, "--broker-url", f"sqlite:///{path}")

    assert daemon.end() == 1, daemon.text
    assert "schema version 9999" in daemon.text
    assert "upgrade microcosm_pubsub" in daemon.text
    assert "Traceback" not in daemon.text


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("postgresql+psycopg://user:secret@127.0.0.1:9/none", "postgresql+psycopg://user:***@127.0.0.1:9/none"),
        ("sqlite:////nonexistent/directory/pubsub.db", "/nonexistent/directory/pubsub.db"),
        ("mysql://localhost/pubsub", "must be like sqlite:///pubsub.db"),
        ("pubsub.db", "must be like sqlite:///pubsub.db"),
    ],
)
def test_a_database_that_cannot_be_reached_ends_with_one_clear_line(start, url, text):
    daemon = start(PARCELS, "--broker-url", url)

    assert daemon.end() == 1, daemon.text
    assert text in daemon.text.strip().splitlines()[-1]
    assert "secret" not in daemon.text
    assert "Traceback" not in daemon.text


def test_a_full_disk_ends_with_one_clear_line_and_loses_nothing(start, producer, tmp_path):
    url = f"sqlite:///{tmp_path / 'pubsub.db'}"
    clients = open_broker(url)
    clients.provision_queue("parcels")
    clients.provision_subscriptions("parcels", {MEDIA_TYPE: None})
    producer(url).produce_batch([{"media_type": MEDIA_TYPE, "number": number} for number in range(20)])
    clients.close()

    flag = tmp_path / "full"
    daemon = start(
        Path(__file__).parent / "daemons" / "full_disk.py", PARCELS, "--broker-url", url, DISK_IS_FULL=str(flag)
    )
    daemon.read_until("handling")
    flag.touch()

    assert daemon.end() == 1, daemon.text
    assert "make room on the broker's disk" in daemon.text.strip().splitlines()[-1]
    # what was handled could not be deleted, and will be handled again
    assert sum(map(int, depth(url, "parcels").values())) == 20
