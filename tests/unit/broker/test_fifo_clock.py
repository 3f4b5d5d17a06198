"""
The order of FIFO groups, whatever the clock does, and however often a receive is asked for.
"""

from __future__ import annotations

import pytest
from sqlalchemy import text


@pytest.fixture
def queue(any_url, clock, make_queue):
    return make_queue(any_url, fifo=True, clock=clock)


def bodies(queue, limit=2, **options):
    return [message["Body"] for message in queue.receive(limit, VisibilityTimeout=10, **options)]


def test_an_attempt_that_is_repeated_holds_its_group_for_as_long_as_its_messages(queue, clock):
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/using-receiverequestattemptid-request-parameter.html"""
    queue.send("1", "2", "3", "4", MessageGroupId="g")
    assert bodies(queue, ReceiveRequestAttemptId="first") == ["1", "2"]
    clock.advance(8)
    # hidden anew, from now on
    assert bodies(queue, ReceiveRequestAttemptId="first") == ["1", "2"]

    clock.advance(5)

    # the third would overtake them
    assert bodies(queue) == []
    clock.advance(6)
    assert bodies(queue) == ["1", "2"]


def test_a_message_from_a_clock_that_is_ahead_is_not_overtaken(queue, clock):
    queue.send("1", MessageGroupId="g")
    clock.advance(-1)
    queue.send("2", MessageGroupId="g")

    assert bodies(queue) == []
    queue.send("3", MessageGroupId="other")
    assert bodies(queue) == ["3"]
    clock.advance(1)
    assert bodies(queue) == ["1", "2"]


def test_a_clock_that_goes_back_while_messages_are_in_flight(queue, clock):
    queue.send("1", "2", "3", MessageGroupId="g")
    (first,) = queue.receive(1, VisibilityTimeout=10)
    clock.advance(-60)
    queue.send("4", MessageGroupId="g")
    assert bodies(queue) == []

    queue.delete(first)

    # as soon as the clock is where it was
    assert bodies(queue) == []
    clock.advance(60)
    assert bodies(queue, 10) == ["2", "3", "4"]


def test_a_message_that_somebody_is_changing_is_not_overtaken_on_postgres(postgres, make_queue):
    queue = make_queue(postgres.create_database(), fifo=True)
    queue.send("a", "b", MessageGroupId="g")
    with queue.broker.store.engine.connect() as other:
        other.execute(text("SELECT id FROM pubsub_messages WHERE body = 'a' FOR UPDATE"))
        assert queue.receive() == []
        other.rollback()
    assert [message["Body"] for message in queue.receive()] == ["a", "b"]


def test_groups_whose_messages_have_expired_keep_nobody_waiting(any_url, clock, make_queue):
    queue = make_queue(any_url, fifo=True, clock=clock, attributes={"MessageRetentionPeriod": "60"})
    for number in range(25):
        queue.send(str(number), MessageGroupId=f"g{number}")
    clock.advance(61)
    queue.send("new", MessageGroupId="new")
    assert bodies(queue, limit=10) == ["new"]
