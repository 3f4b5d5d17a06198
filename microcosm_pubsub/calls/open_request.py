"""
A call that waits for its answer, in a thread or as a future.

Answers come several at once. The threads that wait for them wake each other, one after the other: each would need
Python's lock, and all of them at once would take it from each other and from who reads the next answers.
"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import Future
from itertools import pairwise
from logging import getLogger
from threading import Lock
from typing import Any

from microcosm_pubsub.calls.errors import RpcError, RpcTimeout


logger = getLogger(__name__)


class OpenRequest:
    """
    A call that waits for its answer.

    :param method: as it was called
    :param seconds: how long it waits
    :param deadline: until when, by a monotonic clock
    :param future: gets the answer; if there is none, a thread waits for it
    """

    __slots__ = ("_answered", "_error", "_follower", "_result", "deadline", "future", "message_id", "method", "seconds")

    def __init__(self, method: str, seconds: float, deadline: float, future: Future[Any] | None = None) -> None:
        self.method = method
        self.seconds = seconds
        self.deadline = deadline
        self.future = future
        #: Of its request, when that was published.
        self.message_id: str | None = None
        self._result: Any = None
        self._error: BaseException | None = None
        #: The call whose thread is woken after this one's.
        self._follower: OpenRequest | None = None
        self._answered = Lock()
        self._answered.acquire()

    def wait(self, seconds: float) -> bool:
        """Wait for the answer, for this long at most, and return whether it is there; then wake who is next."""
        is_there = self._answered.acquire(timeout=seconds)
        self.pass_on()
        return is_there

    def pass_on(self) -> None:
        """Wake who is next, if somebody is."""
        follower, self._follower = self._follower, None
        if follower is not None:
            follower.wake()

    def get(self) -> Any:
        """Return the answer, which is there, or raise the error that it is."""
        if self._error is None:
            return self._result
        raise self._error

    def resolve(self, result: Any, error: BaseException | None = None) -> bool:
        """Take the answer, without waking who waits for it, and return whether it was wanted."""
        self._result, self._error = result, error
        if isinstance(error, RpcError):
            error.method = self.method
        if self.future is None:
            return True
        # What a future calls when it is done is user code, and whatever that raises is not the next call's affair.
        try:
            if not self.future.set_running_or_notify_cancel():
                return False
            if error is None:
                self.future.set_result(result)
            else:
                self.future.set_exception(error)
        except BaseException:
            logger.exception("What was to be called with the answer to %s has failed", self.method)
        return True

    def wake(self) -> None:
        """Wake the thread that waits, if it has not been woken."""
        try:
            self._answered.release()
        except RuntimeError:
            # it has been
            return

    def fail(self, error: BaseException) -> None:
        """End with an error."""
        self.resolve(None, error)
        self.wake()

    def expire(self, taken: bool | None = None, is_closed: bool = False) -> None:
        """Say that no answer came in time, and whether a service has taken the request, if that is known."""
        self.fail(RpcTimeout(self.method, self.seconds, taken, is_closed))


def wake_in_turn(requests: Iterable[OpenRequest]) -> None:
    """Wake the threads that wait, each by the one before it."""
    waiting = [request for request in requests if request.future is None]
    for request, follower in pairwise(waiting):
        request._follower = follower
    if waiting:
        waiting[0].wake()
