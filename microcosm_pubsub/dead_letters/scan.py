"""
Receive what a queue holds, each message once, and give it back.

A message that was received stays hidden while the scan goes on, so that it does not come twice, and is made visible
again in the end, however that comes. Each message is hidden for a short time, which is extended while it is needed: a
process that is killed leaves nothing hidden for longer.

A scan sees what was in the queue when it began, and ends. Each look adds one to a message's receive count. Of a FIFO
queue it sees the first ten messages of a group at most, unless they are deleted: while some of a group are received,
SQS gives no others of it.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/FIFO-queues-understanding-logic.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from math import inf
from time import monotonic, time
from types import TracebackType
from typing import Final

from microcosm_pubsub.clients import CLIENT_ERRORS, error_code
from microcosm_pubsub.clients.batch_calls import split_calls
from microcosm_pubsub.clients.protocols import AdminQueueClient
from microcosm_pubsub.constants import FIFO_SUFFIX, MAX_RECEIVE_MESSAGES
from microcosm_pubsub.message.raw import BatchAnswer, RawMessage


#: A message is hidden for this many seconds, before more time is asked for.
VISIBILITY_SECONDS: Final = 60

#: A receive that waits asks all servers of SQS, one that does not only some of them.
#: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-short-and-long-polling.html
WAIT_SECONDS: Final = 1

#: This many receives in a row that bring nothing new end a scan that has not seen as much as the queue said it holds.
MAX_EMPTY_RECEIVES: Final = 3

#: If more messages are hidden at once than can be extended in half of that time, they are hidden for longer to begin
#: with.
RENEWED_PER_SECOND: Final = 100

#: The most messages that a standard queue hides at once, about; a FIFO queue hides fewer.
#: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html
MAX_IN_FLIGHT: Final = 120_000

COUNTS: Final = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")


@dataclass(slots=True)
class HeldMessage:
    """A received message that is hidden for us, and until when."""

    raw: RawMessage
    until: float


class Scan:
    """
    Receive the messages of a queue, each once: as a context manager, which begins, and releases those that were not
    deleted.

    :param client: boto3's SQS client, or one like it
    :param queue_url: the queue's URL
    :param limit: at most this many messages
    :param stopped: tells whether to end now
    :param visibility_seconds: for how long a message is hidden, before more time is asked for
    :param wait_seconds: how long a receive waits for a first message
    :param clock: measures time, in seconds
    :param now: tells the time of day, in seconds since the epoch, where the queue does not
    """

    def __init__(
        self,
        client: AdminQueueClient,
        queue_url: str,
        limit: int | None = None,
        stopped: Callable[[], bool] = lambda: False,
        visibility_seconds: int = VISIBILITY_SECONDS,
        wait_seconds: int = WAIT_SECONDS,
        clock: Callable[[], float] = monotonic,
        now: Callable[[], float] = time,
    ) -> None:
        self.client = client
        self.queue_url = queue_url
        self.fifo = queue_url.endswith(FIFO_SUFFIX)
        self.limit = limit
        self.stopped = stopped
        self.visibility_seconds = visibility_seconds
        self.wait_seconds = wait_seconds
        self.clock = clock
        #: The numbers of messages by the queue's own count, if it gives one: to receive, and hidden from us.
        self.expected: int | None = None
        self.hidden = 0
        #: The number of messages that were received, and of those that were sent too late to be of this scan.
        self.seen = 0
        self.later = 0
        #: The number of messages that could not be released, and stay hidden until their time is over.
        self.unreleased = 0
        self._held: dict[str, HeldMessage] = {}
        self._known: set[str] = set()
        self._empty_receives = 0
        self._full = False
        self._renew_at = inf
        self._now = now
        self._until_ms = inf

    def begin(self) -> None:
        """
        Ask the queue how many messages it has: those that are sent later are not looked at.

        :raises Exception: the client's error, but for a right that is missing
        """
        self._until_ms = self._count()
        likely = min(self.expected or 0, self.limit if self.limit is not None else MAX_IN_FLIGHT)
        self.visibility_seconds = max(self.visibility_seconds, likely // RENEWED_PER_SECOND)

    def _count(self) -> float:
        """Ask how many messages there are, and return when this was."""
        until_ms = self._now() * 1000
        try:
            answer = self.client.get_queue_attributes(QueueUrl=self.queue_url, AttributeNames=list(COUNTS))
        except CLIENT_ERRORS as error:
            if "AccessDenied" not in error_code(error):
                raise
            return until_ms
        counts = [int((answer.get("Attributes") or {}).get(name, 0)) for name in COUNTS]
        self.expected, self.hidden = counts
        # The queue's clock counts, and tells whole seconds.
        date = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date")
        return until_ms if date is None else parsedate_to_datetime(date).timestamp() * 1000 + 999

    def __iter__(self) -> Iterator[RawMessage]:
        while messages := self.receive():
            yield from messages

    def __enter__(self) -> Scan:
        self.begin()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.release()

    def receive(self) -> list[RawMessage]:
        """Return the next messages; none if there are no more."""
        while not self._is_over():
            self.keep()
            messages = self._receive()
            if fresh := [message for message in messages if self._take(message)]:
                self.seen += len(fresh)
                self._empty_receives = 0
                return fresh
            self._empty_receives += 1
        return []

    def _is_over(self) -> bool:
        if self._full or self.stopped() or (self.limit is not None and self.seen >= self.limit):
            return True
        return self._empty_receives >= (1 if self._has_seen_all else MAX_EMPTY_RECEIVES)

    @property
    def is_short(self) -> bool:
        """Return whether the scan has come to its end without seeing as much as the queue said it holds."""
        is_over = self._empty_receives > 0 and not self.stopped()
        return is_over and self.expected is not None and self.seen + self.later < self.expected

    @property
    def _has_seen_all(self) -> bool:
        return self.expected is not None and self.seen + self.later >= self.expected

    def _receive(self) -> list[RawMessage]:
        wanted = MAX_RECEIVE_MESSAGES if self.limit is None else min(MAX_RECEIVE_MESSAGES, self.limit - self.seen)
        began = self.clock()
        try:
            answer = self.client.receive_message(
                QueueUrl=self.queue_url,
                MaxNumberOfMessages=wanted,
                VisibilityTimeout=self.visibility_seconds,
                # The queue's count is approximate: when it is reached, one more receive follows, without waiting.
                WaitTimeSeconds=0 if self._has_seen_all else self.wait_seconds,
                AttributeNames=["All"],
                MessageAttributeNames=["All"],
            )
        except CLIENT_ERRORS as error:
            if error_code(error) not in ("OverLimit", "AWS.SimpleQueueService.OverLimit"):
                raise
            # SQS hides no more messages at once.
            self._full = True
            return []
        messages: list[RawMessage] = answer.get("Messages") or []
        for message in messages:
            self._held[message["MessageId"]] = HeldMessage(message, began + self.visibility_seconds)
        self._renew_at = min(self._renew_at, began + self.visibility_seconds / 2)
        return messages

    def _take(self, message: RawMessage) -> bool:
        """Return whether a received message is a new one of this scan."""
        message_id = message["MessageId"]
        if message_id in self._known:
            return False
        self._known.add(message_id)
        sent_ms = (message.get("Attributes") or {}).get("SentTimestamp", "0")
        is_later = sent_ms.isdigit() and int(sent_ms) > self._until_ms
        self.later += is_later
        return not is_later

    def keep(self) -> None:
        """Ask for more time for the held messages, where the half of it is over."""
        if self.clock() < self._renew_at:
            return
        margin = self.clock() + self.visibility_seconds / 2
        due = [held for held in self._held.values() if held.until <= margin]
        for held in self._change(due, self.visibility_seconds):
            # The message is somebody else's by now.
            self._held.pop(held.raw["MessageId"], None)
        first = min((held.until for held in self._held.values()), default=inf)
        self._renew_at = first - self.visibility_seconds / 2

    def holds(self, message: RawMessage) -> bool:
        """Return whether a message is still hidden for us, for a while."""
        held = self._held.get(message["MessageId"])
        return held is not None and held.until > self.clock()

    def delete(self, messages: Sequence[RawMessage]) -> list[RawMessage]:
        """Delete messages, and return those that could not be deleted."""
        held = [self._held.get(message["MessageId"], HeldMessage(message, 0)) for message in messages]
        failed = self._call_twice(self.client.delete_message_batch, held, {})
        for item in held:
            if not any(item is other for other in failed):
                self._held.pop(item.raw["MessageId"], None)
        return [item.raw for item in failed]

    def release(self, keeping: RawMessage | None = None) -> None:
        """Make the held messages visible again, except one perhaps."""
        held = [item for item in self._held.values() if keeping is None or item.raw is not keeping]
        failed = {item.raw["MessageId"] for item in self._change(held, 0)}
        # A message whose lease lapsed in the meantime is visible already.
        self.unreleased += sum(self._held[message_id].until > self.clock() for message_id in failed)
        self._held = {} if keeping is None else {keeping["MessageId"]: self._held[keeping["MessageId"]]}

    def _change(self, held: Sequence[HeldMessage], seconds: int) -> list[HeldMessage]:
        """Change for how long messages are hidden, and return those for which that failed."""
        began = self.clock()
        failed = self._call_twice(self.client.change_message_visibility_batch, held, {"VisibilityTimeout": seconds})
        for item in held:
            if not any(item is other for other in failed):
                item.until = began + seconds
        return failed

    def _call_twice(
        self, call: Callable[..., BatchAnswer], held: Sequence[HeldMessage], more: dict[str, int]
    ) -> list[HeldMessage]:
        failed = self._call(call, held, more)
        return self._call(call, failed, more) if failed else []

    def _call(
        self, call: Callable[..., BatchAnswer], held: Iterable[HeldMessage], more: dict[str, int]
    ) -> list[HeldMessage]:
        """Call a batch operation, and return the messages for which it failed."""
        failed: list[HeldMessage] = []
        for chunk in split_calls(list(held)):
            entries = [
                {"Id": str(index), "ReceiptHandle": item.raw["ReceiptHandle"], **more}
                for index, item in enumerate(chunk)
            ]
            try:
                answer = call(QueueUrl=self.queue_url, Entries=entries)
            except CLIENT_ERRORS:
                failed.extend(chunk)
                continue
            done = {entry["Id"] for entry in answer.get("Successful") or ()}
            failed.extend(item for index, item in enumerate(chunk) if str(index) not in done)
        return failed
