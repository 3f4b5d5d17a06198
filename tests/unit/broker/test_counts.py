"""How many messages a queue says that it has."""

import pytest
from sqlalchemy import event

from microcosm_pubsub.broker.sqs.counts import COUNTS


def counts_of(queue):
    attributes = queue.client.get_queue_attributes(QueueUrl=queue.url, AttributeNames=list(COUNTS))["Attributes"]
    return tuple(int(attributes[name]) for name in COUNTS)


def test_each_message_counts_as_what_it_is(any_url, make_queue, clock):
    queue = make_queue(any_url, clock=clock, attributes={"MessageRetentionPeriod": "60"})
    assert counts_of(queue) == (0, 0, 0)
    queue.send(*"abcde")
    queue.send("f", DelaySeconds=30)
    queue.receive(2, VisibilityTimeout=20)
    assert counts_of(queue) == (3, 2, 1)
    clock.advance(25)
    # those in flight can be received again
    assert counts_of(queue) == (5, 0, 1)
    clock.advance(10)
    assert counts_of(queue) == (6, 0, 0)
    queue.receive(1, VisibilityTimeout=600)
    clock.advance(30)
    # they have expired, whether they are deleted yet or not
    assert counts_of(queue) == (0, 0, 0)


def test_messages_of_other_queues_do_not_count(any_url, make_queue):
    queue, other = make_queue(any_url), make_queue(any_url, fifo=True)
    queue.send("a", "b")
    other.send("c", MessageGroupId="g")
    assert counts_of(queue) == (2, 0, 0)
    assert counts_of(other) == (1, 0, 0)


@pytest.mark.parametrize(("name", "is_counted"), [("QueueArn", False), ("All", True), (COUNTS[1], True)])
def test_messages_are_counted_for_who_asks(file_url, make_queue, name, is_counted):
    queue = make_queue(file_url)
    said = []
    event.listen(queue.broker.store.engine, "before_cursor_execute", lambda *args: said.append(args[2]))
    queue.client.get_queue_attributes(QueueUrl=queue.url, AttributeNames=[name])
    assert any("count(*)" in statement for statement in said) == is_counted
