"""
The queue of a process for answers, and the thread that reads it while a call waits.

The queue is made at the first call, with a name that tells which process it is of, and deleted at its end. It keeps
answers for five minutes. While no call waits, nobody asks it for anything.
"""

from __future__ import annotations

import atexit
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from logging import getLogger
from math import ceil
from os import getpid
from threading import Condition, Thread, current_thread
from time import monotonic
from typing import Any
from uuid import uuid4

from microcosm_pubsub.calls.cleaning import ReplyQueues
from microcosm_pubsub.calls.errors import CallError, read_answer
from microcosm_pubsub.calls.open_request import OpenRequest, wake_in_turn
from microcosm_pubsub.calls.replies import NO_QUEUE
from microcosm_pubsub.clients import CLIENT_ERRORS, error_code
from microcosm_pubsub.clients.protocols import AdminQueueClient
from microcosm_pubsub.constants import MAX_RECEIVE_MESSAGES


logger = getLogger(__name__)

#: A poll waits at most this many seconds: a call that waits for less cannot interrupt it.
MAX_POLL_SECONDS = 2

#: The queue is asked again this many seconds after an error.
RETRY_SECONDS = 1.0

#: What becomes of what comes to the queue: it is answered, late or unknown, or unreadable.
OUTCOMES = ("answered", "late", "unreadable")


class ReplyQueue:
    """
    Give calls their answers.

    :param client: of the account's queues
    :param queues: makes and deletes the queue
    :param clock: measures time, in seconds
    :param was_taken: returns whether somebody has received a message, by its id; None if that is not known
    """

    def __init__(
        self,
        client: AdminQueueClient,
        queues: ReplyQueues,
        clock: Callable[[], float] = monotonic,
        was_taken: Callable[[str], bool | None] = lambda message_id: None,
    ) -> None:
        self.client = client
        self.queues = queues
        self.clock = clock
        self._was_taken = was_taken
        #: The numbers of answers that came, were late or unknown, or could not be read.
        self.counts: Counter[str] = Counter()
        self._start()

    def _start(self) -> None:
        self.pid = getpid()
        self.url: str | None = None
        self.name = ""
        self._changed = Condition()
        self._waiting: dict[str, OpenRequest] = {}
        #: Those whose answers came last.
        self._answered: list[OpenRequest] = []
        self._reader: Thread | None = None
        self._closed = False

    def expect(self, method: str, seconds: float, future: Future[Any] | None = None) -> tuple[str, str, OpenRequest]:
        """
        Expect an answer, and return the id of the request, the name of the queue, and the open request.

        :param method: as it is called
        :param seconds: for how long
        :param future: gets the answer, if no thread waits for it
        :raises CallError: if the queue cannot be made, or the thread would wait for itself
        """
        if getpid() != self.pid:
            # This is a forked child, which needs a queue of its own.
            self._start()
        if future is None and current_thread() is self._reader:
            raise CallError(
                f"Cannot call {method} from what a future calls when it is done: that runs in the thread that reads "
                "the answers, and would wait for itself; use call_soon, or call from another thread"
            )
        url = self.url
        # One of a process that has called nobody for a day may have been removed.
        is_there = url is None or self.queues.touch(url)
        with self._changed:
            if self._closed:
                raise CallError(f"Cannot call {method}: the reply queue of this process is closed")
            if self.url is None or (self.url == url and not is_there):
                self._open()
            waiting = OpenRequest(method, seconds, self.clock() + seconds, future)
            request_id = uuid4().hex
            self._waiting[request_id] = waiting
            if future is not None:
                # One that is cancelled is waited for no longer.
                future.add_done_callback(lambda _: self.forget(request_id))
            self._changed.notify()
            return request_id, self.name, waiting

    def fail(self, request_id: str, error: Exception) -> None:
        """Let a call that waits raise an error: its request was not sent."""
        if waiting := self._waiting.pop(request_id, None):
            waiting.fail(error)

    def note_published(self, request_id: Any, message_id: str | None) -> None:
        """Note the id of the message that is a request."""
        if waiting := self._waiting.get(request_id):
            waiting.message_id = message_id

    def find_taken(self, waiting: OpenRequest) -> bool | None:
        """Return whether somebody has taken a request; None if that is not known."""
        # A sentence of an error is not worth another error.
        try:
            return None if waiting.message_id is None else self._was_taken(waiting.message_id)
        except Exception:
            logger.debug("Cannot find out whether a request was taken", exc_info=True)
            return None

    def forget(self, request_id: str) -> bool:
        """Wait no longer for an answer, and return whether it was waited for: not if it has just come."""
        return self._waiting.pop(request_id, None) is not None

    def close(self) -> None:
        """Let no call wait, and delete the queue."""
        if getpid() != self.pid:
            # In a forked child all is the parent's, one of whose threads may have had the lock, which it never gives.
            self._start()
        with self._changed:
            self._closed = True
            self._changed.notify()
        for waiting in self._take_all():
            # Whether it was taken is not asked of a database, once for each, while the process ends.
            waiting.expire(is_closed=True)
        atexit.unregister(self.close)
        if self.url is not None:
            self.queues.delete(self.url)

    # Internals.

    def _open(self) -> None:
        self.name, self.url = self.queues.create()
        atexit.register(self.close)
        if self._reader is None:
            self._reader = Thread(target=self._read, name="pubsub-replies", daemon=True)
            self._reader.start()
            # There may be many, and no answer waits for that.
            Thread(target=self.queues.clean_quietly, name="pubsub-replies-removed", daemon=True).start()

    def _read(self) -> None:
        while (url := self._wait_for_calls()) is not None:
            try:
                self._receive(url)
            except Exception as error:
                # All calls of the process wait for this thread: whatever a client raises, it goes on.
                self._lose(error)
            self._expire_late()

    def _wait_for_calls(self) -> str | None:
        """Return the queue when calls wait; None at the end."""
        with self._changed:
            while not self._closed:
                if self._waiting and self.url is not None:
                    return self.url
                self._wake_rest()
                # Without a queue, the next call makes one; open requests expire meanwhile.
                self._changed.wait(RETRY_SECONDS if self._waiting else None)
                self._expire_late()
            return None

    def _receive(self, url: str) -> None:
        # A client that can take messages away at once has this method: an answer is of no use a second time.
        take = getattr(self.client, "receive_and_delete", None)
        answer = (take or self.client.receive_message)(
            QueueUrl=url, MaxNumberOfMessages=MAX_RECEIVE_MESSAGES, WaitTimeSeconds=self._find_wait_seconds()
        )
        messages = answer.get("Messages") or []
        self._wake_rest()
        answered = [self._deliver(message.get("Body")) for message in messages]
        self._answered = [waiting for waiting in answered if waiting is not None]
        wake_in_turn(self._answered)
        if messages and take is None:
            entries = [
                {"Id": str(index), "ReceiptHandle": message["ReceiptHandle"]} for index, message in enumerate(messages)
            ]
            self.client.delete_message_batch(QueueUrl=url, Entries=entries)

    def _wake_rest(self) -> None:
        """Wake the threads whose answers came last, if one of them was ended before it woke the next."""
        for waiting in self._answered:
            waiting.wake()
        self._answered = []

    def _deliver(self, body: Any) -> OpenRequest | None:
        """Give an answer to who waits for it, and return that; None if nobody does."""
        try:
            request_id, result, error = read_answer(body)
        except ValueError as problem:
            self.counts["unreadable"] += 1
            logger.warning("A message of the reply queue %s is no answer, and was dropped: %s", self.name, problem)
            return None
        waiting = self._waiting.pop(request_id, None)
        if waiting is None or not waiting.resolve(result, error):
            self.counts["late"] += 1
            what = "an unknown call, or one that is over" if waiting is None else waiting.method
            logger.info("Nobody waits for an answer to %s, which was dropped: %.100r", what, request_id)
            return None
        self.counts["answered"] += 1
        return waiting

    def _find_wait_seconds(self) -> int:
        """Return for how long to wait for answers: at most until somebody waits no longer."""
        ends = [waiting.deadline for waiting in list(self._waiting.values())]
        left = min(ends, default=self.clock()) - self.clock()
        return max(0, min(MAX_POLL_SECONDS, ceil(left)))

    def _expire_late(self) -> None:
        now = self.clock()
        late = [request_id for request_id, waiting in list(self._waiting.items()) if waiting.deadline <= now]
        for request_id in late:
            if waiting := self._waiting.pop(request_id, None):
                waiting.expire(self.find_taken(waiting))

    def _lose(self, error: Exception) -> None:
        """Go on after an error of the queue: with another queue, if it is gone."""
        with self._changed:
            if self._closed:
                return
            code = error_code(error)
            expected = isinstance(error, CLIENT_ERRORS)
            logger.warning("Cannot read the reply queue %s: %s", self.name, error, exc_info=not expected)
            if code in NO_QUEUE:
                # The answers to open requests will not come; later calls name another queue.
                self.url = None
                try:
                    self._open()
                except CallError as failure:
                    logger.warning("%s", failure)
            self._changed.wait(RETRY_SECONDS)

    def _take_all(self) -> list[OpenRequest]:
        taken = []
        while self._waiting:
            try:
                taken.append(self._waiting.popitem()[1])
            except KeyError:
                break
        return taken

    def gauges(self) -> Mapping[str, float]:
        """Return how many calls wait, and what became of answers since it was made."""
        return {"rpc_waiting": len(self._waiting), **{f"rpc_{name}": self.counts[name] for name in OUTCOMES}}
