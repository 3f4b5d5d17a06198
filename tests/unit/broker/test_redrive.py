"""
Redrive policies that lead nowhere, and move tasks whose queues change meanwhile.

What is asked of AWS by its documentation is in the conformance suite; here is what must not happen to a database that
holds such a policy already, and to the other queues in it.
"""

from __future__ import annotations

from json import dumps

import pytest
from botocore.exceptions import ClientError
from sqlalchemy import update

from microcosm_pubsub.broker.names import queue_arn
from microcosm_pubsub.broker.queue_client import BrokerQueueClient
from microcosm_pubsub.broker.schema import queues
from microcosm_pubsub.broker.sqs.receiving import MOVE


def policy_for(name, count=1):
    return {"RedrivePolicy": dumps({"deadLetterTargetArn": queue_arn(name), "maxReceiveCount": count})}


class Account:
    def __init__(self, broker):
        self.broker = broker
        self.client = BrokerQueueClient(broker)

    def create(self, name, **attributes):
        fifo = {"FifoQueue": "true"} if name.endswith(".fifo") else {}
        self.client.create_queue(QueueName=name, Attributes={**fifo, **attributes})

    def send(self, name, *bodies):
        for body in bodies:
            self.client.send_message(QueueUrl=name, MessageBody=body)

    def bodies(self, name, **options):
        answer = self.client.receive_message(QueueUrl=name, MaxNumberOfMessages=10, **options)
        return [message["Body"] for message in answer.get("Messages", [])]

    def write_policy(self, name, target):
        """Let a queue have a policy that is refused by now, as an older version has let it."""
        with self.broker.store.begin() as connection:
            connection.execute(update(queues).where(queues.c.name == name).values(attributes=dumps(policy_for(target))))

    def task(self, dead):
        (task,) = self.client.list_message_move_tasks(SourceArn=queue_arn(dead))["Results"]
        return task


@pytest.fixture
def account(any_url, clock, make_broker):
    return Account(make_broker(any_url, clock=clock))


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("nowhere", "Dead letter target does not exist"),
        ("other.fifo", "Dead-letter queue must be same type of queue as the source"),
        ("orders", "A queue cannot be its own dead-letter queue"),
    ],
)
def test_a_policy_that_leads_nowhere_is_refused(account, target, reason):
    account.create("orders")
    account.create("other.fifo")
    with pytest.raises(ClientError, match=reason) as caught:
        account.client.set_queue_attributes(QueueUrl="orders", Attributes=policy_for(target))
    assert caught.value.response["Error"]["Code"] == "InvalidParameterValue"
    attributes = account.client.get_queue_attributes(QueueUrl="orders", AttributeNames=["All"])["Attributes"]
    assert "RedrivePolicy" not in attributes


def test_a_queue_with_such_a_policy_is_not_created(account):
    with pytest.raises(ClientError, match="Dead letter target does not exist"):
        account.create("orders", **policy_for("nowhere"))
    assert "QueueUrls" not in account.client.list_queues()


def test_a_queue_is_found_though_its_dead_letter_queue_is_gone(account):
    account.create("dead")
    account.create("orders", **policy_for("dead"))
    account.client.delete_queue(QueueUrl="dead")
    account.create("orders", **policy_for("dead"))


@pytest.mark.parametrize("target", ["orders", "other.fifo"])
def test_what_cannot_go_to_its_dead_letter_queue_stays_where_it_is(account, target):
    account.create("orders")
    account.create("other.fifo")
    account.write_policy("orders", target)
    account.send("orders", "a")
    for _ in range(3):
        assert account.bodies("orders", VisibilityTimeout=0) == ["a"]


def test_messages_do_not_move_into_a_queue_of_another_type(account):
    account.create("dead")
    account.create("orders", **policy_for("dead"))
    account.create("other.fifo")
    with pytest.raises(ClientError, match="must be same type of queue") as caught:
        account.client.start_message_move_task(SourceArn=queue_arn("dead"), DestinationArn=queue_arn("other.fifo"))
    assert caught.value.response["Error"]["Code"] == "InvalidParameterValue"


def test_a_move_whose_queue_is_deleted_fails_alone(account, clock):
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ListMessageMoveTasks.html"""
    account.create("dead")
    account.create("orders", **policy_for("dead"))
    account.create("neighbour")
    account.send("dead", "a", "b", "c")
    account.send("neighbour", "mine")
    account.client.start_message_move_task(SourceArn=queue_arn("dead"), MaxNumberOfMessagesPerSecond=1)
    account.client.delete_queue(QueueUrl="orders")

    clock.advance(2)

    assert account.bodies("neighbour") == ["mine"]
    task = account.task("dead")
    assert (task["Status"], task["FailureReason"]) == ("FAILED", "CouldNotDetermineMessageSource")
    assert task["ApproximateNumberOfMessagesMoved"] == 1
    assert account.bodies("dead") == ["b", "c"]


def test_a_message_without_a_group_does_not_move_into_a_fifo_queue(account):
    account.create("dead")
    account.create("orders.fifo")
    account.write_policy("orders.fifo", "dead")
    account.send("dead", "a")
    account.client.start_message_move_task(SourceArn=queue_arn("dead"))
    assert account.task("dead")["Status"] == "FAILED"
    assert account.bodies("dead") == ["a"]


def test_a_receiver_that_was_overtaken_does_not_take_a_dead_letter_from_who_has_it(
    postgres, clock, make_broker, monkeypatch
):
    url = postgres.create_database()
    account, other = (Account(make_broker(url, clock=clock)) for _ in range(2))
    account.create("dead")
    account.create("orders", **policy_for("dead"))
    account.send("orders", "a")
    assert account.bodies("orders", VisibilityTimeout=1) == ["a"]
    clock.advance(2)
    move = MOVE.execute

    def move_late(connection, values):
        monkeypatch.undo()
        clock.advance(31)
        assert other.bodies("orders") == []
        assert other.bodies("dead", VisibilityTimeout=30) == ["a"]
        move(connection, values)

    monkeypatch.setattr(MOVE, "execute", move_late)
    assert account.bodies("orders") == []
    # whoever has it has it for its time
    assert account.bodies("dead") == []
    clock.advance(31)
    assert account.bodies("dead") == ["a"]
