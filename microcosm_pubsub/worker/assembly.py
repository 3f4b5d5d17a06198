"""
The parts of a worker, put together: each gets those that stand before it.

    receiver -> handling -> lanes -> slots -> handling -> settler
        the admission decides how many to receive; the reactor makes the calls; the keeper extends leases
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from microcosm_pubsub.consumer import SQSConsumer
from microcosm_pubsub.dispatcher import SQSMessageDispatcher
from microcosm_pubsub.worker.admission import Admission
from microcosm_pubsub.worker.breaker import Breaker
from microcosm_pubsub.worker.entries import Entries
from microcosm_pubsub.worker.handling import Handling
from microcosm_pubsub.worker.lanes import Lanes
from microcosm_pubsub.worker.leases import LeaseKeeper
from microcosm_pubsub.worker.reactor import Reactor
from microcosm_pubsub.worker.receive_timer import ReceiveTimer
from microcosm_pubsub.worker.receiver import Receiver
from microcosm_pubsub.worker.settings import Intervals, WorkerSettings
from microcosm_pubsub.worker.settler import Settler
from microcosm_pubsub.worker.slots import Slots


SenderT = TypeVar("SenderT", bound=Callable[..., None])


@dataclass(frozen=True, slots=True)
class WorkerParts:
    """
    The parts of a worker.

    :param has_leases: whether what is not settled comes again: it does not from a file
    """

    has_leases: bool
    keeper: LeaseKeeper
    reactor: Reactor
    breaker: Breaker
    lanes: Lanes
    entries: Entries
    admission: Admission
    settler: Settler
    handling: Handling
    receiver: Receiver
    slots: Slots


def assemble(
    consumer: SQSConsumer,
    dispatcher: SQSMessageDispatcher,
    settings: WorkerSettings,
    intervals: Intervals,
    clock: Callable[[], float],
) -> WorkerParts:
    """
    Return the parts of a worker.

    :param consumer: of the queue
    :param dispatcher: runs handlers and tells observers
    :param clock: a monotonic clock, in seconds
    :raises ConfigurationError: if the settings contradict each other
    """
    has_leases = getattr(consumer.sqs_client, "redelivers", True)
    settings.check(consumer.wait_seconds, has_leases)
    visibility = settings.visibility_timeout_seconds
    keeper = LeaseKeeper(consumer, visibility, settings.max_lease_seconds, clock)
    reactor = Reactor(consumer.sqs_client, settings.max_pollers + settings.max_settlers, clock)
    breaker = Breaker(
        settings.breaker_failure_share,
        settings.breaker_window_seconds,
        settings.breaker_min_results,
        settings.breaker_open_seconds,
        clock,
    )
    lanes = Lanes(settings.max_per_group, reactor.take_over, clock)
    entries = Entries(settings.max_settlers)
    admission = Admission(lanes, entries, breaker, settings, consumer.limit)
    settler = Settler(consumer, reactor, keeper, entries, admission, clock)
    timer = ReceiveTimer(only_enabled(dispatcher.batch_metrics), clock)
    handling = Handling(dispatcher, keeper, lanes, settler, admission, breaker, timer, reactor, has_leases)
    receiver = Receiver(
        consumer,
        reactor,
        admission,
        handling.accept,
        visibility if has_leases else None,
        # A reader gives lines one after another.
        settings.max_pollers if has_leases else 1,
        intervals.min_empty_seconds,
        clock,
    )
    slots = Slots(lanes, handling, settings.concurrency, clock)
    return WorkerParts(
        has_leases, keeper, reactor, breaker, lanes, entries, admission, settler, handling, receiver, slots
    )


def only_enabled(sender: SenderT | None) -> SenderT | None:
    """Return a sender of metrics, but for one that says that it is not enabled."""
    return sender if getattr(sender, "enabled", True) else None
