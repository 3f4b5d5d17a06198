"""
The settings of a worker that an operator decides, and those that cannot work together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from microcosm_pubsub.errors import ConfigurationError
from microcosm_pubsub.registry.options import HandlerOptions


#: A lease is extended when half of it is left, and a call that extends leases, with its retries, takes this long at
#: most before we count on its failure.
LEASE_MARGIN_SECONDS = 2

#: One keeper extends this many leases in a second: ten per call, a tenth of a second each.
LEASES_PER_SECOND = 100


#: A queue that answers at once that it is empty is not asked more often than this.
MIN_EMPTY_SECONDS = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Intervals:
    """
    The intervals and waits of a worker that no operator decides.

    :param watch_seconds: how often it looks after its threads
    :param min_empty_seconds: a queue that answers at once that it is empty is not asked more often than this
    :param grace_seconds: how much longer than they should the last receives, and the last settling, may take
    """

    watch_seconds: float = 0.25
    min_empty_seconds: float = MIN_EMPTY_SECONDS
    grace_seconds: float = 5.0


INTERVALS = Intervals()


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSettings:
    """
    The settings of a worker that an operator decides.

    :param concurrency: at most this many handlers run at a time, each in a thread of its own
    :param max_pollers: at most this many receives are under way at a time
    :param max_settlers: at most this many deletes and visibility changes are under way at a time
    :param max_buffer_seconds: how long received messages wait for a slot at most, about
    :param max_buffer: at most this many messages wait, whatever their handlers take
    :param max_per_group: at most this many messages of one group of a standard queue are handled at a time
    :param visibility_timeout_seconds: for how long a receive hides its messages; extended while they are ours
    :param max_lease_seconds: for how long a message may be ours at most
    :param shutdown_timeout_seconds: for how long running handlers may go on after a stop signal
    :param max_abandoned: with more threads that outlived their handler's timeout, the process exits to be restarted
    :param max_messages: the number of messages after which the process ends, to be restarted
    :param max_runtime_seconds: the time after which the process ends, to be restarted
    :param drain: whether the worker ends when its queue stays empty
    :param drain_polls: how many empty receives in a row are meant by that
    :param breaker_failure_share: above this share of failures, receiving pauses; None never pauses
    :param breaker_window_seconds: over how long the share is counted
    :param breaker_min_results: of fewer results no share is made
    :param breaker_open_seconds: after this pause one message is received to see whether it succeeds
    :param health_threshold_seconds: how old the last answered receive may be, and the oldest settling, when healthy
    """

    concurrency: int = 1
    max_pollers: int = 8
    max_settlers: int = 8
    max_buffer_seconds: float = 1.0
    max_buffer: int = 200
    max_per_group: int | None = None
    visibility_timeout_seconds: int = 30
    max_lease_seconds: float = 3600.0
    shutdown_timeout_seconds: float = 25.0
    max_abandoned: int = 3
    max_messages: int | None = None
    max_runtime_seconds: float | None = None
    drain: bool = False
    drain_polls: int = 3
    breaker_failure_share: float | None = None
    breaker_window_seconds: float = 30.0
    breaker_min_results: int = 20
    breaker_open_seconds: float = 30.0
    health_threshold_seconds: float = 60.0

    def check(self, wait_seconds: int, receives_leases: bool) -> None:
        """
        Refuse settings that cannot work together.

        :param wait_seconds: how long a receive waits
        :param receives_leases: whether received messages come again if nothing is done
        :raises ConfigurationError: with the numbers
        """
        least = wait_seconds + LEASE_MARGIN_SECONDS
        if receives_leases and self.visibility_timeout_seconds < least:
            raise ConfigurationError(
                f"pubsub_worker.visibility_timeout_seconds is {self.visibility_timeout_seconds}, but a message may be "
                f"{wait_seconds} s old when its receive ends (sqs_consumer.wait_seconds), and extending it may take "
                f"{LEASE_MARGIN_SECONDS} s: give it at least {least}"
            )
        if receives_leases:
            self._check_leases(batch_size=1)
        if self.max_lease_seconds < self.visibility_timeout_seconds:
            raise ConfigurationError(
                f"pubsub_worker.max_lease_seconds is {self.max_lease_seconds:g}, less than the "
                f"{self.visibility_timeout_seconds} s of visibility_timeout_seconds that every receive takes"
            )

    def check_handlers(self, options: Mapping[str, HandlerOptions], fifo: bool, receives_leases: bool = True) -> None:
        """
        Refuse handlers that cannot work with these settings.

        :param options: those of each media type
        :param fifo: whether the queue is a FIFO queue
        :param receives_leases: whether received messages come again if nothing is done
        :raises ConfigurationError: with the numbers
        """
        for media_type, wanted in options.items():
            if wanted.timeout_seconds is not None and wanted.timeout_seconds > self.max_lease_seconds:
                raise ConfigurationError(
                    f"The handler of {media_type} has timeout_seconds {wanted.timeout_seconds:g}, but a message is "
                    f"ours for {self.max_lease_seconds:g} s at most (pubsub_worker.max_lease_seconds)"
                )
            if wanted.batch_size is not None:
                self._check_batch(media_type, wanted, wanted.batch_size, fifo)
        if receives_leases:
            self._check_leases(max((wanted.batch_size or 1 for wanted in options.values()), default=1))

    def _check_leases(self, batch_size: int) -> None:
        leases = self.max_buffer + self.concurrency * batch_size
        most = self.visibility_timeout_seconds * LEASES_PER_SECOND // 2
        if leases > most:
            batches = f" (batches of {batch_size})" if batch_size > 1 else ""
            raise ConfigurationError(
                f"pubsub_worker.max_buffer {self.max_buffer} and concurrency {self.concurrency}{batches} make {leases} "
                f"leases, but of {self.visibility_timeout_seconds} s each (visibility_timeout_seconds) only {most} can "
                "be extended in time: lower max_buffer, or raise visibility_timeout_seconds"
            )

    def _check_batch(self, media_type: str, wanted: HandlerOptions, batch_size: int, fifo: bool) -> None:
        window = wanted.batch_window_seconds
        # The messages of a FIFO group that come after a batch stay hidden for its window, and those of other groups
        # too.
        held = self.visibility_timeout_seconds if fifo else self.max_lease_seconds
        if window >= held:
            name = "visibility_timeout_seconds" if fifo else "max_lease_seconds"
            raise ConfigurationError(
                f"The batch handler of {media_type} waits {window:g} s for its batch (batch_window_seconds), but its "
                f"messages are ours for {held:g} s (pubsub_worker.{name}): give it a shorter window"
            )
        if batch_size > self.max_buffer:
            raise ConfigurationError(
                f"The batch handler of {media_type} takes {batch_size} messages (batch_size), but only "
                f"{self.max_buffer} may wait (pubsub_worker.max_buffer)"
            )
