"""
When SQS is to move all messages itself, and cannot.
"""

import pytest
from botocore.exceptions import ClientError

from microcosm_pubsub.cli.dlq.redrive import move_all
from microcosm_pubsub.dead_letters.sources import Targets


def error(code, operation="StartMessageMoveTask"):
    return ClientError({"Error": {"Code": code}}, operation)


def move(session, to=None):
    queue = session.find_queue()
    return move_all(session, queue, Targets(session.client, queue, to))


def told(session):
    return session.console.file.getvalue()


def test_all_are_moved(engine, make_session):
    engine.bury("a", "b")

    assert move(make_session()) == {
        "by": "move task",
        "sent": {engine.source: 2},
        "kept": {},
        "failures": [],
        "complete": True,
    }


@pytest.mark.parametrize("code", ["InvalidAction", "AccessDenied", "UnsupportedOperation"])
def test_where_no_task_can_be_started_they_are_copied(engine, make_session, code):
    engine.bury("a")
    session = make_session(start_message_move_task=[error(code)])

    assert move(session) is None
    assert "No move task" in told(session)
    assert engine.counts() == (1, 0)


def test_a_task_that_fails_says_why(engine, make_session):
    engine.bury("a")
    failed = {"Results": [{"Status": "FAILED", "FailureReason": "AccessDenied"}]}
    session = make_session(list_message_move_tasks=[None, failed])

    result = move(session)

    assert (result["complete"], result["failures"]) == (False, ["The task failed: AccessDenied"])


def test_a_task_that_may_not_be_watched_goes_on(engine, make_session):
    engine.bury("a")
    session = make_session(list_message_move_tasks=[None, error("AccessDenied", "ListMessageMoveTasks")])

    assert move(session)["complete"]
    assert "goes on without being watched" in told(session)
    assert engine.counts(engine.source) == (1, 0)


def test_an_interrupt_leaves_alone_what_others_have_started(engine, make_session):
    engine.bury("a", "b")
    arn = "arn:aws:sqs:local:000000000000:orders-dead-letters"
    engine.client.start_message_move_task(SourceArn=arn, MaxNumberOfMessagesPerSecond=1)
    session = make_session()
    session.interrupts.number = 2

    move(session)

    assert "somebody else has started it" in told(session)
    assert engine.client.list_message_move_tasks(SourceArn=arn)["Results"][0]["Status"] == "RUNNING"


@pytest.mark.parametrize("rate", [0.5, 501, 2.5])
def test_rates_that_no_task_has(engine, make_session, rate):
    engine.bury("a")

    assert move(make_session({"rate": rate})) is None


def test_messages_of_several_queues_are_copied(engine, make_session):
    other = engine.create("other")
    engine.bury("a")
    source, engine.source = engine.source, other
    engine.bury("b")

    assert move(make_session()) is None
    assert engine.counts(source) == engine.counts(other) == (0, 0)


def test_forced_they_go_to_the_only_queue_that_there_is(engine, make_session):
    engine.bury("a", redrives=9)

    result = move(make_session({"force": True}))

    assert result["sent"] == {engine.source: 1}
    assert engine.counts(engine.source) == (1, 0)


def test_a_fifo_queue_whose_end_is_not_seen_is_copied(engine, make_session):
    dead = engine.create("dead.fifo", fifo=True)
    source = engine.create("source.fifo", fifo=True, source_of="dead.fifo")
    engine.source = source
    engine.bury(*map(str, range(12)), url=dead, MessageGroupId="g")

    assert move(make_session({"queue_url": "dead.fifo"})) is None
    assert engine.counts(dead) == (12, 0)


def test_interrupted_while_it_looks_nothing_is_started(engine, make_session):
    engine.bury("a")
    session = make_session()
    session.interrupts.number = 2

    assert move(session) is None
    assert engine.counts() == (1, 0)
