"""
The keeper of all leases: extends, in batches, the time for which the messages that we hold are ours.

A lease is held from the receive until its message is settled. One that cannot be extended is lost, and its handler
can ask for that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from logging import getLogger
from random import Random
from threading import Condition, Event, Lock, Thread
from time import monotonic

from microcosm_pubsub.clients import CLIENT_ERRORS, error_code, explain_code
from microcosm_pubsub.clients.batch_calls import read_failures, split_calls
from microcosm_pubsub.constants import MAX_VISIBILITY_TIMEOUT_SECONDS
from microcosm_pubsub.consumer import SQSConsumer
from microcosm_pubsub.message import SQSMessage
from microcosm_pubsub.message.lease import RAN_OUT, Lease
from microcosm_pubsub.worker.lanes import name_messages


logger = getLogger(__name__)

#: A lease is extended when this share of it is left, give or take the second, so that daemons that started together
#: do not call together.
RENEW_AT = 0.5
RENEW_JITTER = 0.1

#: The keeper looks ten times within a visibility timeout, within these bounds, in seconds.
MIN_LOOK_SECONDS = 0.1
MAX_LOOK_SECONDS = 1.0

#: Codes of a failed extension after which the message is not ours any more.
#: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ChangeMessageVisibility.html
LOST_CODES = frozenset(
    {
        "AWS.SimpleQueueService.MessageNotInflight",
        "InvalidParameterValue",
        "MessageNotInflight",
        "ReceiptHandleIsInvalid",
    }
)


class LeaseKeeper:
    """
    Extend the leases of the messages that are held.

    :param consumer: of the queue
    :param visibility_timeout_seconds: for how long each receive and each extension hides a message
    :param max_lease_seconds: for how long a message may be ours at most
    :param clock: a monotonic clock, in seconds
    """

    def __init__(
        self,
        consumer: SQSConsumer,
        visibility_timeout_seconds: int,
        max_lease_seconds: float,
        clock: Callable[[], float] = monotonic,
        random: Random | None = None,
    ) -> None:
        self.consumer = consumer
        self.visibility_timeout_seconds = visibility_timeout_seconds
        self.max_lease_seconds = min(max_lease_seconds, MAX_VISIBILITY_TIMEOUT_SECONDS)
        self.clock = clock
        self.random = random or Random()
        self.lost = 0
        self.extended = 0
        self._held: dict[int, SQSMessage] = {}
        self._renewing: frozenset[int] = frozenset()
        self._lock = Lock()
        self._renewed = Condition(self._lock)
        self._stopped = Event()

    def __len__(self) -> int:
        return len(self._held)

    def start(self) -> None:
        """Begin to extend held messages, in a thread."""
        Thread(target=self._keep, name="keeper", daemon=True).start()

    def stop(self) -> None:
        """Extend no more."""
        self._stopped.set()

    def _keep(self) -> None:
        seconds = min(MAX_LOOK_SECONDS, max(MIN_LOOK_SECONDS, self.visibility_timeout_seconds / 10))
        while not self._stopped.wait(seconds):
            try:
                self.renew()
            except Exception:
                # A client is user code, and without this thread every lease would be lost.
                logger.exception("Cannot extend leases")

    def hold(self, messages: Iterable[SQSMessage], opened_at: float) -> None:
        """
        Hold messages from now on.

        :param opened_at: when their receive began; their visibility timeout began then or later
        """
        seconds = self.visibility_timeout_seconds
        renew_at = opened_at + self._renew_after(seconds)
        for message in messages:
            message.lease = Lease(
                opened_at + seconds, opened_at + self.max_lease_seconds, renew_at, self.clock, self.stop_extending
            )
            self._held[id(message)] = message

    def stop_extending(self, messages: Iterable[SQSMessage]) -> None:
        """
        Hold messages no longer; after this returns, none of them is being extended.

        Call this before making a message visible: an extension that comes later would hide it again.
        """
        keys = {id(message) for message in messages}
        with self._lock:
            while self._is_extending(keys):
                self._renewed.wait()

    def try_to_stop(self, messages: Iterable[SQSMessage]) -> bool:
        """
        Hold messages no longer, and return whether none of them is being extended.

        If one is, `stop_extending` waits for the end of that.
        """
        with self._lock:
            return not self._is_extending({id(message) for message in messages})

    def _is_extending(self, keys: set[int]) -> bool:
        for key in keys:
            self._held.pop(key, None)
        return bool(self._renewing & keys)

    def forget(self, message: SQSMessage) -> None:
        """Hold a message no longer, that nobody will make visible."""
        self._held.pop(id(message), None)

    def renew(self) -> None:
        """Extend the leases that are due, and lose those that could not be extended in time."""
        now = self.clock()
        # A handler may have settled its message itself.
        held = [message for message in list(self._held.values()) if not message.settled]
        for message in held:
            if now >= message.lease.deadline and message.lease.lost_reason is None:
                self._lose(message, RAN_OUT)
        due = [message for message in held if now >= message.lease.renew_at and message.lease.lost_reason is None]
        for chunk in split_calls(due):
            self._renew_batch(chunk)

    def _renew_batch(self, messages: Sequence[SQSMessage]) -> None:
        with self._lock:
            # A message may have been dropped since it was found due.
            messages = [message for message in messages if id(message) in self._held]
            self._renewing = frozenset(map(id, messages))
        try:
            self._extend(messages)
        finally:
            with self._lock:
                self._renewing = frozenset()
                self._renewed.notify_all()

    def _extend(self, messages: Sequence[SQSMessage]) -> None:
        asked_at = self.clock()
        seconds = [self._extension(message.lease, asked_at) for message in messages]
        extended = [(message, timeout) for message, timeout in zip(messages, seconds, strict=True) if timeout > 0]
        if not extended:
            return
        method, call = self.consumer.calls.settle(extended)
        try:
            failures = read_failures(getattr(self.consumer.sqs_client, method)(**call))
        except CLIENT_ERRORS as error:
            self._tell(extended, explain_code(error_code(error), "sqs:ChangeMessageVisibility"), asked_at)
            self._try_again([message for message, _ in extended], asked_at)
            return
        for index, (message, timeout) in enumerate(extended):
            failure = failures.get(str(index))
            if failure is None:
                self.extended += 1
                message.lease.deadline = asked_at + timeout
                message.lease.renew_at = asked_at + self._renew_after(timeout)
            elif failure.code in LOST_CODES:
                self._lose(message, failure.code)
            else:
                self._try_again([message], asked_at)

    def _tell(self, extended: Sequence[tuple[SQSMessage, int]], why: str, now: float) -> None:
        messages = [message for message, _ in extended]
        logger.warning(
            "Cannot extend the leases of %d messages, %s: %s; the first runs out in %.0f s",
            len(messages),
            name_messages(messages),
            why,
            min(message.lease.deadline for message in messages) - now,
        )

    def _extension(self, lease: Lease, now: float) -> int:
        """Return for how many seconds a lease may be extended; 0 if it has all that it may have."""
        seconds = min(self.visibility_timeout_seconds, int(lease.limit - now))
        if now + seconds <= lease.deadline:
            # The lease is at its limit, and is lost when it runs out.
            lease.renew_at = lease.deadline + 1
            return 0
        return seconds

    def _try_again(self, messages: Iterable[SQSMessage], now: float) -> None:
        for message in messages:
            left = message.lease.deadline - now
            message.lease.renew_at = now + max(left / 4, 0.1)

    def _lose(self, message: SQSMessage, reason: str) -> None:
        self._held.pop(id(message), None)
        if message.settled:
            return
        self.lost += 1
        message.lease.lose(reason)
        logger.warning(
            "Lost the lease of message %s (%s): %s; it may be handled twice",
            message.message_id,
            message.media_type,
            reason,
        )

    def _renew_after(self, seconds: float) -> float:
        jitter = RENEW_JITTER * (2 * self.random.random() - 1)
        return seconds * (1 - RENEW_AT + jitter)
