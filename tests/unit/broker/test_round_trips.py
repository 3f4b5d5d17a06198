"""How often frequent calls ask PostgreSQL."""

from re import findall
from tempfile import TemporaryFile

import pytest

from microcosm_pubsub.broker.topic_client import BrokerTopicClient


@pytest.fixture
def count_round_trips(postgres, make_queue):
    """A queue with a topic, and what counts how often a call asks, by what the driver sends."""
    queue = make_queue(postgres.create_database())
    topics = BrokerTopicClient(queue.broker)
    queue.topic_arn = topics.create_topic(Name="topic")["TopicArn"]
    queue.topics = topics

    def count(call):
        # The pool gives its latest connection first, and there is one.
        with queue.broker.store.engine.connect() as connection:
            driver = connection.connection.driver_connection
        with TemporaryFile() as file:
            driver.pgconn.trace(file.fileno())
            try:
                call()
            finally:
                driver.pgconn.untrace()
            file.seek(0)
            return len(findall(rb"\tF\t\d+\t(?:Sync|Query)\b", file.read()))

    queue.count = count
    return queue


def subscribe(queue, name):
    url = queue.client.create_queue(QueueName=name)["QueueUrl"]
    answer = queue.client.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    queue.topics.subscribe(TopicArn=queue.topic_arn, Protocol="sqs", Endpoint=answer["Attributes"]["QueueArn"])


def test_what_changes_one_message_has_no_transaction_around_it(count_round_trips):
    queue = count_round_trips
    queue.send("a", "b")
    first, second = queue.receive()
    queue.delete(first)
    assert queue.count(lambda: queue.send("c")) == 1
    assert queue.count(lambda: queue.receive(VisibilityTimeout=30)) == 1
    assert queue.count(lambda: queue.delete(second)) == 1


def test_a_receive_that_may_wait_asks_no_second_time_when_the_next_message_comes(count_round_trips):
    queue = count_round_trips
    # The first receive sees to what is to be done now and then.
    assert queue.receive() == []
    queue.send("a")
    assert queue.count(lambda: queue.receive(WaitTimeSeconds=1)) == 1


def test_a_publish_to_one_queue_reads_and_writes_once(count_round_trips):
    queue = count_round_trips
    subscribe(queue, "queue")
    publish = lambda: queue.topics.publish(TopicArn=queue.topic_arn, Message="a")  # noqa: E731
    publish()
    assert queue.count(publish) == 2
    subscribe(queue, "other")
    # what has changed is found, and what is more than one change has BEGIN and COMMIT
    assert queue.count(publish) == 5
