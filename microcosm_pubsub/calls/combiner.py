"""
Send together what several threads want sent at once: while one call is under way, the next one gathers.

The first caller sends its own item; items that gather meanwhile are sent by a thread of its own. Both send outside of
the context that the items come from, so that their messages belong to no transaction.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextvars import Context
from threading import Condition, Thread
from typing import Generic, TypeVar

from microcosm_pubsub.calls.errors import CallError
from microcosm_pubsub.config.fork import start_anew_in_child
from microcosm_pubsub.constants import MAX_BATCH_ENTRIES


T = TypeVar("T")

#: Is told that something was sent, by None, or why it was not.
Done = Callable[[Exception | None], None]

#: The most bytes that a batch call takes, whatever a queue takes; a longer message is sent alone.
MAX_BATCH_BYTES = 256 * 1024

#: A thread that has had nothing to send for this many seconds ends.
IDLE_SECONDS = 10.0

#: What is told of items whose thread was ended, as Ctrl-C ends it, while it sent them with its own.
INTERRUPTED = "The thread that sent it was interrupted: whether it was sent is not known"


class Combiner(Generic[T]):
    """
    Send items, as many in one call as wait for it.

    :param send: sends items, and returns for each None, or why it was not sent
    :param measure: returns the size of an item, in bytes
    :param name: of the thread
    :param idle_seconds: after which the thread ends that has nothing to send
    """

    def __init__(
        self,
        send: Callable[[Sequence[T]], Sequence[Exception | None]],
        measure: Callable[[T], int],
        name: str,
        idle_seconds: float = IDLE_SECONDS,
    ) -> None:
        self._idle_seconds = idle_seconds
        self._send = send
        self._measure = measure
        self._name = name
        self._start()
        start_anew_in_child(self, type(self)._start)

    def _start(self) -> None:
        self._changed = Condition()
        self._waiting: deque[tuple[T, Done]] = deque()
        self._is_sending = False
        self._is_handed_over = False
        self._thread: Thread | None = None

    def send(self, item: T) -> None:
        """
        Send an item, and return when it was sent.

        :raises Exception: why it was not
        """
        future: Future[None] = Future()

        def resolve(error: Exception | None) -> None:
            if error is None:
                future.set_result(None)
            else:
                future.set_exception(error)

        self.begin(item, resolve)
        future.result()

    def begin(self, item: T, done: Done, has_more: bool = False) -> None:
        """
        Send an item, or have it sent.

        :param done: is called when it was sent, in any thread, with None or why it was not; it must not raise
        :param has_more: whether others are likely to follow at once: they are sent with this one, by the thread
        """
        with self._changed:
            self._waiting.append((item, done))
            is_first, self._is_sending = not self._is_sending, True
            if is_first and has_more:
                self._hand_over()
        if is_first and not has_more:
            try:
                Context().run(self._send_some)
            finally:
                with self._changed:
                    self._hand_over()

    def _hand_over(self) -> None:
        """Let the thread send the items that have gathered, if any have; with the lock held."""
        self._is_sending = bool(self._waiting)
        if not self._is_sending:
            return
        if self._thread is None:
            thread = Thread(target=self._run, name=self._name, daemon=True)
            try:
                thread.start()
            except RuntimeError:
                # The system has no thread to give; whoever sends next sends what waits.
                self._is_sending = False
                raise
            self._thread = thread
        self._is_handed_over = True
        self._changed.notify()

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._is_handed_over:
                    if not self._changed.wait(self._idle_seconds) and not self._is_handed_over:
                        # It would keep alive for ever what it sends with. Who has more to send starts another.
                        self._thread = None
                        return
            self._send_some()
            with self._changed:
                self._is_sending = self._is_handed_over = bool(self._waiting)

    def _send_some(self) -> None:
        with self._changed:
            taken = self._take()
        items = [item for item, _ in taken]
        # Each is told whatever happens: nobody waits for ever.
        try:
            errors: Sequence[Exception | None] = self._send(items)
        except Exception as error:
            errors = [error] * len(items)
        except BaseException:
            # An interrupt ends the call of this thread; the others are told what they can expect.
            tell(taken, [CallError(INTERRUPTED)] * len(items))
            raise
        tell(taken, errors)

    def _take(self) -> list[tuple[T, Done]]:
        taken = [self._waiting.popleft()]
        size = self._measure(taken[0][0])
        while self._waiting and len(taken) < MAX_BATCH_ENTRIES:
            size += self._measure(self._waiting[0][0])
            if size > MAX_BATCH_BYTES:
                break
            taken.append(self._waiting.popleft())
        return taken


def tell(taken: Sequence[tuple[T, Done]], errors: Sequence[Exception | None]) -> None:
    """Tell of each item that it was sent, or why it was not."""
    for (_, done), error in zip(taken, errors, strict=True):
        done(error)
