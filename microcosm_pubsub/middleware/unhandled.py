"""
The fate of messages that nobody here knows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from logging import getLogger
from threading import Lock

from microcosm.api import typed

from microcosm_pubsub.config import values
from microcosm_pubsub.config.fork import renew_lock_in_child
from microcosm_pubsub.config.graph import defaults
from microcosm_pubsub.errors import DeadLetter, IgnoreMessage, UnhandledMessage
from microcosm_pubsub.graph import PubSubGraph
from microcosm_pubsub.message import SQSMessage
from microcosm_pubsub.middleware.layer import Check
from microcosm_pubsub.registry import find_matching


logger = getLogger("microcosm_pubsub.dispatcher")

ACK = "ack"
NACK = "nack"
DEAD_LETTER = "dead_letter"

#: Media types come with the messages, from anybody: this many are counted by name, the others together.
MAX_COUNTED = 1000
OTHERS = "others"


class UnhandledMessages(Check):
    """
    A layer that refuses messages whose media type has no schema or no handler.

    :param action: the action on them: "ack" ignores them, "nack" leaves them to other daemons, "dead_letter" gives
        them up
    :param ignore: media types that are ignored whatever the action; they may end in `.*`
    """

    def __init__(self, action: str = ACK, ignore: Iterable[str] = ()) -> None:
        super().__init__(self.refuse)
        self.action = action
        self.ignore = dict.fromkeys(ignore)
        #: The number of messages of each media type.
        self.counts: Counter[str] = Counter()
        self._lock = Lock()
        renew_lock_in_child(self, "_lock")

    def refuse(self, message: SQSMessage) -> None:
        """
        Refuse a message that nobody here knows.

        :raises IgnoreMessage: if it is ignored
        :raises DeadLetter: if it is given up
        :raises UnhandledMessage: if it is left to others
        """
        if message.content is not None and message.handler is not None:
            return
        reason = "No schema for this media type" if message.content is None else "No handler for this media type"
        if self._is_expected(message.media_type or ""):
            raise IgnoreMessage(reason)
        self._count(message.media_type or "unknown", reason)
        if self.action == ACK:
            raise IgnoreMessage(reason)
        error = UnhandledMessage(
            f"{reason}, {message.media_type}: add a handler, or list it in pubsub_unhandled.ignore"
        )
        if self.action == DEAD_LETTER:
            raise DeadLetter(str(error)) from error
        raise error

    def _is_expected(self, media_type: str) -> bool:
        try:
            find_matching(media_type, self.ignore)
        except KeyError:
            return False
        return True

    def _count(self, media_type: str, reason: str) -> None:
        with self._lock:
            name = media_type if media_type in self.counts or len(self.counts) < MAX_COUNTED else OTHERS
            self.counts[name] += 1
            first = self.counts[name] == 1
        if first:
            logger.warning(
                "%s, %s: %s (pubsub_unhandled.action is %s); list it in pubsub_unhandled.ignore if it is expected",
                reason,
                name[:200],
                {ACK: "such messages are deleted", NACK: "they go back", DEAD_LETTER: "they are given up"}[self.action],
                self.action,
            )


@defaults(
    action=typed(values.choice("pubsub_unhandled.action", ACK, NACK, DEAD_LETTER), default_value=ACK),
    ignore=typed(values.names("pubsub_unhandled.ignore"), default_factory=list),
)
def configure_pubsub_unhandled(graph: PubSubGraph) -> UnhandledMessages:
    """Configure the layer for messages that nobody here knows, bound as `pubsub_unhandled`."""
    config = graph.config.pubsub_unhandled
    return UnhandledMessages(config.action, config.ignore)
