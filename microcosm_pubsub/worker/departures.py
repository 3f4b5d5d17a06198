"""
What handled messages have to send before they are settled, such as answers.

The slot that handled a message does not wait for that, and takes the next one: whoever sends, for many messages at
once, goes on with each of them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from logging import getLogger
from threading import Condition
from time import monotonic

from microcosm_pubsub.message import SQSMessage


logger = getLogger("microcosm_pubsub.worker")

#: Goes on with a message: without an error, or with the one that keeps it from being settled.
GoOn = Callable[[Exception | None], None]


class Departures:
    """
    Send what messages have to send.

    :param clock: a monotonic clock, in seconds
    """

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self.clock = clock
        #: The number of messages that have not sent it yet.
        self.count = 0
        #: The bug here that ended the way of a message.
        self.error: BaseException | None = None
        self._ended = Condition()

    def begin(self, message: SQSMessage, go_on: GoOn, has_more: bool) -> None:
        """
        Send what a message has to send, or have it sent.

        :param go_on: is called then, in any thread
        :param has_more: whether the thread that calls has more to do, and is not to wait
        """
        outgoing, message.outgoing = message.outgoing, None
        assert outgoing is not None, "who calls has looked"
        with self._ended:
            self.count += 1
        outgoing.begin(partial(self._sent, go_on), has_more)

    def wait(self, seconds: float) -> int:
        """Wait until all has been sent, for this long at most, and return of how many messages it was not."""
        deadline = self.clock() + seconds
        with self._ended:
            while self.count and self.clock() < deadline:
                self._ended.wait(max(0.0, deadline - self.clock()))
            return self.count

    def _sent(self, go_on: GoOn, error: Exception | None) -> None:
        try:
            go_on(error)
        except BaseException as fault:
            # No error of a client gets here: this is a bug here, and the worker must not go on with it.
            logger.exception("A message that was answered cannot be settled")
            self.error = self.error or fault
        finally:
            with self._ended:
                self.count -= 1
                if not self.count:
                    self._ended.notify_all()
