"""
One received message.

A message knows its content, its media type, how often it was received, and the consumer through
which it is settled. It does no I/O itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from microcosm_pubsub.constants import TTL_KEY, URI_KEY
from microcosm_pubsub.errors import Nack
from microcosm_pubsub.message.lease import Lease
from microcosm_pubsub.message.raw import RawMessage


if TYPE_CHECKING:
    # With a default (Python has it from 3.13 on), `SQSMessage` alone is a message of any content.
    from typing_extensions import TypeVar as DefaultTypeVar

    Content = DefaultTypeVar("Content", default=Any)
else:
    Content = TypeVar("Content")


class Acknowledger(Protocol):
    """The part of a consumer that a message needs."""

    def ack(self, message: SQSMessage) -> None: ...

    def nack(self, message: SQSMessage, visibility_timeout_seconds: int | None = None) -> None: ...


class Outgoing(Protocol):
    """What has to be sent for a message that was handled, before it is settled: an answer is that."""

    def begin(self, done: Callable[[Exception | None], None], has_more: bool = False) -> None:
        """
        Send it, or have it sent.

        :param done: is called when it was sent, in any thread, with None, or with the error that is the result of the
            message then
        :param has_more: whether the thread that calls has more to do, and is not to wait
        """
        ...


class Route(Protocol):
    """The way in which the messages of one media type are handled here: `registry.Route` is one."""

    @property
    def media_type(self) -> str | None: ...

    @property
    def handler(self) -> Callable[[Any], Any] | None: ...

    @property
    def options(self) -> Any: ...

    @property
    def policy(self) -> Any: ...

    @property
    def name(self) -> str | None: ...


def find_opaque_data(content: Any) -> dict[str, Any] | None:
    """Return the opaque data that content carries: its own dict, so that changes are seen there too; None if none."""
    # dict comes first: a check for any Mapping costs ten times as much.
    if not isinstance(content, (dict, Mapping)):
        return None
    opaque_data = content.get("opaque_data") or content.get("opaqueData")
    if opaque_data is None:
        return None
    if isinstance(opaque_data, dict):
        return opaque_data
    return dict(opaque_data) if isinstance(opaque_data, Mapping) else None


def find_value(opaque_data: Mapping[str, Any], name: str) -> Any:
    """
    Return a value of opaque data by its key in any case, or None.

    :param name: in lower case
    """
    if name in opaque_data:
        return opaque_data[name]
    for key, value in opaque_data.items():
        if isinstance(key, str) and key.lower() == name:
            return value
    return None


def find_ttl(opaque_data: Mapping[str, Any]) -> int | None:
    """Return how many hops opaque data says are left, or None if it does not tell (or not as a number)."""
    value = opaque_data.get(TTL_KEY)
    if value is None and opaque_data:
        value = find_value(opaque_data, TTL_KEY)
    try:
        return None if value is None else int(value)
    except (TypeError, ValueError, OverflowError):
        return None


class Replaceable:
    """
    Base of slotted classes whose methods a test may replace on one instance, as `unittest.mock.patch.object` does.

    It has a `__dict__`, which costs nothing before something is put into it.
    """


@dataclass(slots=True, eq=False)
class SQSMessage(Replaceable, Generic[Content]):
    """
    One received message, to be settled exactly once.

    As a context manager it acks itself when the block ends cleanly; when the block raises, it nacks
    itself (with the timeout of a `Nack`, if that is what was raised) and lets the error through.

    :param consumer: settles the message
    :param content: the decoded content, a dict or an instance of what a typed handler asks for; None if no schema is
        known for the media type, or on `error`
    :param media_type: the key of every decision; None if the body did not even tell that
    :param message_id: the id that the queue gave
    :param receipt_handle: the queue's name for this receive of the message
    :param topic_arn: the topic through which the message came, if known
    :param approximate_receive_count: how often the message was received, this time included
    :param handler: the bound handler that was chosen for it
    :param route: how messages of its media type are handled here, from when it is accepted on
    :param error: why the body could not be decoded; such a message is never acked
    :param group_id: the message group (FIFO lane, or fair-queue group), if any
    :param attributes: the queue's own attributes of the message
    :param lease: the time for which it is ours
    :param releases: how many of its receives ended without its having been handled, as far as is known
    :param raw: the message as the queue gave it
    :param context: the context in which it was handled
    :param trace: the record of traces for it, if there are any
    :param outgoing: what has to be sent before it is settled, if there is anything
    :param hidden_seconds: after how many seconds it comes again, once it is nacked
    """

    consumer: Acknowledger | None
    content: Content = field(repr=False)
    media_type: str | None
    message_id: str | None
    receipt_handle: str | None
    topic_arn: str | None = None
    approximate_receive_count: int | None = None
    handler: Callable[[Any], Any] | None = None
    error: Exception | None = None
    group_id: str | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)
    lease: Lease = field(default_factory=Lease, repr=False)
    releases: int = 0
    raw: RawMessage = field(default_factory=RawMessage, repr=False)
    context: dict[str, Any] | None = field(default=None, repr=False)
    route: Route | None = field(default=None, repr=False)
    settled: bool = False
    trace: Any = field(default=None, repr=False)
    outgoing: Outgoing | None = field(default=None, repr=False)
    hidden_seconds: int | None = field(default=None, repr=False)
    _opaque_data: dict[str, Any] | None = field(default=None, init=False, repr=False)
    _opaque_data_of: Any = field(default=None, init=False, repr=False)

    @property
    def opaque_data(self) -> dict[str, Any]:
        """
        Return the opaque data that the message carries: the same dict each time, which may be changed.

        It is its content's own; content that is put in the place of another, and has none, leaves it as it is.
        """
        if self._opaque_data is None or self._opaque_data_of is not self.content:
            self._opaque_data_of = self.content
            found = find_opaque_data(self.content)
            if found is not None or self._opaque_data is None:
                self._opaque_data = {} if found is None else found
        return self._opaque_data

    @opaque_data.setter
    def opaque_data(self, opaque_data: dict[str, Any]) -> None:
        self._opaque_data_of = self.content
        self._opaque_data = opaque_data

    @property
    def ttl(self) -> int | None:
        """Return how many hops are left, or None if the message does not tell (or not as a number)."""
        return find_ttl(self.opaque_data)

    @property
    def attempts(self) -> int | None:
        """Return how often handling the message was attempted, this time included, if the queue tells."""
        if self.approximate_receive_count is None:
            return None
        return max(1, self.approximate_receive_count - self.releases)

    @property
    def fifo_group(self) -> str | None:
        """Return the message group within which order must be kept; None on a standard queue."""
        # Fair queues have groups too, but give messages no numbers.
        return self.group_id if "SequenceNumber" in self.attributes else None

    @property
    def uri(self) -> str | None:
        """Return the URI that the message is about, if any."""
        return self.content.get(URI_KEY) if isinstance(self.content, (dict, Mapping)) else None

    def ack(self) -> None:
        """
        Delete the message from its queue, now.

        :raises Exception: the message's `error`, if it could not be decoded: it is not deleted unseen
        :raises SettleError: if the queue did not take it
        """
        if self.error is not None:
            raise self.error
        if not self.settled and self.consumer is not None:
            self.consumer.ack(self)

    def nack(self, visibility_timeout_seconds: int | None = None) -> None:
        """
        Make the message visible again, now or later.

        :param visibility_timeout_seconds: after how many seconds; the backoff policy decides if None
        :raises SettleError: if the queue did not take it
        """
        if not self.settled and self.consumer is not None:
            # An extension under way would hide the message again.
            self.lease.stop_extending((self,))
            self.consumer.nack(self, visibility_timeout_seconds)

    def __enter__(self) -> SQSMessage:
        if self.error is not None:
            self.nack()
            raise self.error
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if exc is None:
            self.ack()
        elif isinstance(exc, Nack):
            self.nack(exc.visibility_timeout_seconds)
        else:
            self.nack()
