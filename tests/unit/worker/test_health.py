"""
What an orchestrator asks of a daemon.
"""

from threading import Event

import pytest

from microcosm_pubsub.registry.options import HandlerOptions
from microcosm_pubsub.worker.breaker import State
from microcosm_pubsub.worker.health import find_problems, report
from microcosm_pubsub.worker.lanes import Unit
from microcosm_pubsub.worker.settings import WorkerSettings
from microcosm_pubsub.worker.worker import Ending, Worker
from tests.waiting import SECONDS, wait_until


@pytest.fixture
def worker(graph, clock):
    return Worker(graph.sqs_consumer, graph.sqs_message_dispatcher, WorkerSettings(concurrency=3), clock=clock)


def test_a_healthy_worker(worker, make_message, clock):
    worker.parts.keeper.hold([make_message(1), make_message(2)], clock())
    worker.lanes.put([make_message(1), make_message(2, "g", fifo=True)])
    worker.dispatcher.count("SUCCEEDED")

    assert report(worker) == {
        "healthy": True,
        "ready": True,
        "problems": [],
        "paused": None,
        "draining": None,
        "threshold_seconds": 60.0,
        "slots": {"total": 3, "busy": 0, "abandoned": 0, "oldest_seconds": 0.0},
        "buffer": {"waiting": 2, "lanes": 1},
        "leases": {"held": 2, "lost": 0},
        "pollers": {"active": 1, "failed_receives": 0, "oldest_seconds": 0.0},
        "settler": {"pending": 0, "oldest_seconds": 0.0},
        "counts": {"SUCCEEDED": 1},
    }


def test_a_receive_without_an_answer(worker, graph, clock):
    asking, answer = Event(), Event()
    graph.sqs_client.receive_message.side_effect = lambda **parameters: asking.set() or (answer.wait(SECONDS) and {})
    worker.receiver.run_due()
    assert asking.wait(SECONDS)
    clock.advance(65)
    assert report(worker)["healthy"]
    clock.advance(1)

    assert report(worker)["problems"] == ["no receive was answered for 66 s"]
    assert not report(worker)["healthy"]
    worker.receiver.stop()
    answer.set()
    wait_until(lambda: worker.receiver.has_ended)


def test_a_settling_that_takes_long(worker, make_message, clock):
    worker.settler.add(make_message(), None)
    clock.advance(61)

    assert report(worker)["problems"] == ["a message waits to be settled for 61 s"]


def test_a_handler_over_its_timeout(worker, make_message, find_route, clock):
    worker.slots._start_slot()
    (slot,) = worker.slots.slots
    route = find_route("a/slow", HandlerOptions(timeout_seconds=5))
    slot.started_at, slot.unit = clock(), Unit([make_message()], route)
    clock.advance(5)
    assert list(find_problems(worker, clock())) == []
    clock.advance(2)

    current = report(worker)

    assert current["problems"] == ["a handler runs for 7 s, 5 s are its timeout"]
    assert current["slots"] == {"total": 3, "busy": 1, "abandoned": 0, "oldest_seconds": 7.0}
    slot.unit = None
    worker.lanes.close()


def test_a_thread_that_was_given_up(worker):
    worker.slots.abandoned = 2

    assert report(worker)["problems"] == ["2 threads outlived the timeout of their handlers"]


def test_when_it_is_not_ready(worker, clock):
    worker.pausing = "told to"
    assert (report(worker)["ready"], report(worker)["paused"], report(worker)["healthy"]) == (False, "told to", True)
    worker.pausing = None
    worker.parts.breaker.failure_share = 0.5
    for _ in range(20):
        worker.parts.breaker.record(failed=True)
    assert (report(worker)["ready"], report(worker)["paused"]) == (False, "circuit breaker")
    worker.parts.breaker.state = State.CLOSED
    worker.ending = Ending("told to stop")

    assert (report(worker)["ready"], report(worker)["draining"]) == (False, "told to stop")
    assert report(worker)["healthy"]
