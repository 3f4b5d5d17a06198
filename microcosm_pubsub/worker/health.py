"""
The health of a worker, as an orchestrator is told of it.
"""

from __future__ import annotations

from microcosm_pubsub.health import Report
from microcosm_pubsub.worker.breaker import State
from microcosm_pubsub.worker.worker import Worker


def report(worker: Worker) -> Report:
    """Return the gauges of a worker, and its problems."""
    now = worker.clock()
    busy = worker.slots.busy
    threshold = worker.settings.health_threshold_seconds
    problems = list(find_problems(worker, now))
    return {
        "healthy": not problems,
        "ready": worker.is_ready,
        "problems": problems,
        "paused": worker.pausing or (None if worker.parts.breaker.state is State.CLOSED else "circuit breaker"),
        "draining": worker.ending.reason if worker.ending else None,
        "threshold_seconds": threshold,
        "slots": {
            "total": worker.settings.concurrency,
            "busy": len(busy),
            "abandoned": worker.slots.abandoned,
            "oldest_seconds": round(max((slot.seconds(now) for slot in busy), default=0.0), 3),
        },
        "buffer": {"waiting": worker.lanes.waiting, "lanes": worker.lanes.groups},
        "leases": {"held": len(worker.parts.keeper), "lost": worker.parts.keeper.lost},
        "pollers": {
            "active": worker.receiver.active,
            "failed_receives": worker.receiver.failed_receives,
            "oldest_seconds": round(worker.receiver.oldest_seconds, 3),
        },
        "settler": {
            "pending": worker.parts.entries.count,
            "oldest_seconds": round(worker.settler.oldest_seconds, 3),
        },
        "counts": dict(worker.dispatcher.counts),
    }


def find_problems(worker: Worker, now: float) -> list[str]:
    """Return the problems of a worker, one sentence each."""
    threshold = worker.settings.health_threshold_seconds
    problems = []
    if worker.receiver.oldest_seconds > threshold + worker.consumer.wait_seconds:
        problems.append(f"no receive was answered for {worker.receiver.oldest_seconds:.0f} s")
    if worker.settler.oldest_seconds > threshold:
        problems.append(f"a message waits to be settled for {worker.settler.oldest_seconds:.0f} s")
    for slot in worker.slots.busy:
        timeout = slot.unit.options.timeout_seconds if slot.unit is not None else None
        if timeout is not None and slot.seconds(now) > timeout:
            problems.append(f"a handler runs for {slot.seconds(now):.0f} s, {timeout:g} s are its timeout")
    if worker.slots.abandoned:
        problems.append(f"{worker.slots.abandoned} threads outlived the timeout of their handlers")
    return problems
