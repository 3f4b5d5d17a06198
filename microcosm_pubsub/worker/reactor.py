"""
The calls of a worker that are under way, many at a time, with as few threads as can be.

A thread that waits for an answer needs Python's lock when the answer comes, and takes it from the handlers; with a
thread for each call, most of a busy process's time goes into handing the lock around. So the answers of the most
frequent calls are waited for together, by one thread. While slots are busy with short messages even that one keeps out
of their way: they look for answers between messages, and it looks only when they do not. A client that cannot begin a
call without waiting for its end gets a thread for each.

Known as reactor, and as leader and followers: https://www.dre.vanderbilt.edu/~schmidt/PDF/reactor-siemens.pdf and
https://www.dre.vanderbilt.edu/~schmidt/PDF/lf.pdf
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from logging import getLogger
from math import inf
from threading import Lock, Thread
from time import monotonic
from typing import Any

from microcosm_pubsub.clients import QueueClient
from microcosm_pubsub.fast.transport import begin_call, finish_call
from microcosm_pubsub.fast.transport.hot_calls import Flight
from microcosm_pubsub.worker.answers import OVERDUE_SECONDS, Answers, Done
from microcosm_pubsub.worker.threads import Threads


logger = getLogger(__name__)

#: Slots may take at most this many seconds for a message while their thread looks for answers.
NAP_SECONDS = 0.005

#: A slot looks for answers at most once in this many seconds.
HELP_SECONDS = 0.0005

#: Does what is due, and returns after how many seconds it wants to be called again; None when it asks to be.
RunDue = Callable[[], float | None]


class Reactor:
    """
    Make the calls of one client.

    :param client: of the queue
    :param max_threads: the most calls that are made by threads of their own; more wait for one
    :param clock: a monotonic clock, in seconds
    """

    def __init__(self, client: QueueClient, max_threads: int, clock: Callable[[], float] = monotonic) -> None:
        self.client = client
        self.clock = clock
        self.threads = Threads("caller", max_threads)
        #: The bug here that ended a call, or what follows from it.
        self.error: BaseException | None = None
        self._jobs: tuple[RunDue, ...] = ()
        self._answers: Answers | None = None
        #: Held by whichever thread looks for answers.
        self._looking = Lock()
        self._closed = False
        self._is_helped = False
        self._help_at = 0.0
        #: The end of the thread's sleep if nothing wakes it, and whether it leaves the answers to the slots meanwhile.
        self._sleeps_until = -inf
        self._naps = False

    def start(self, *jobs: RunDue) -> None:
        """
        Begin to look for answers.

        :param jobs: do what is due, besides
        """
        self._jobs = jobs
        answers = self.open()
        Thread(target=self._run, args=(answers,), name="reactor", daemon=True).start()

    def open(self) -> Answers:
        """Let answers be waited for; without `start`, only `help` looks for them."""
        self._answers = answers = Answers(self.clock)
        return answers

    def close(self) -> None:
        """Look no more, and let the threads end that no call keeps."""
        self._closed = True
        self.threads.close()
        if self._answers is not None:
            self._answers.wake()

    def call(self, method: str, parameters: dict[str, Any], done: Done) -> None:
        """
        Make a call, and do not wait for its end.

        :param method: the name of the client's method
        :param done: is called in any thread
        """
        flight = begin_call(self.client, method, parameters) if self._answers is not None else None
        if flight is None or self._answers is None:
            self.run(partial(done, partial(getattr(self.client, method), **parameters)))
            return
        if flight.exchange.result is None:
            self._answers.add(flight, done)
        else:
            # The request could not be sent.
            self._end(flight, done)

    @property
    def is_using_threads(self) -> bool:
        """Return whether calls take threads of their own at the moment."""
        return self.threads.busy > 0

    def run(self, job: Callable[[], None]) -> None:
        """Do a job that has to wait for something, in a thread of its own."""
        self.threads.run(partial(self._contain, job))

    def help(self) -> None:
        """Look for answers, without waiting for any: a slot that has just handled a message does."""
        answers = self._answers
        if answers is None or not answers.waiting:
            return
        self._is_helped = True
        if self.clock() < self._help_at or not self._looking.acquire(blocking=False):
            return
        try:
            ended = answers.take(0)
            self._help_at = self.clock() + HELP_SECONDS
        finally:
            self._looking.release()
        for call in ended:
            self._end(call.flight, call.done)

    def take_over(self) -> None:
        """Let the thread look for answers: a slot has nothing to do, and will not."""
        self._is_helped = False
        if self._naps and self._answers is not None:
            self._answers.wake()

    def wake_by(self, when: float) -> None:
        """Let the thread run at some time, by the clock, at the latest."""
        if when < self._sleeps_until and self._answers is not None:
            self._answers.wake()

    # The thread runs these.

    def _run(self, answers: Answers) -> None:
        while not self._closed:
            try:
                self._turn(answers)
            except BaseException as error:
                self._fail(error)
        with self._looking:
            answers.close()

    def _turn(self, answers: Answers) -> None:
        # This comes before the look at what is due: whatever becomes due later wakes it.
        self._sleeps_until = inf
        seconds = OVERDUE_SECONDS
        for run_due in self._jobs:
            due = run_due()
            if due is not None and due < seconds:
                seconds = due
        if self._is_helped:
            self._is_helped = False
            self._naps = True
            self._sleeps_until = self.clock() + min(seconds, NAP_SECONDS)
            answers.sleep(min(seconds, NAP_SECONDS))
            self._naps = False
        else:
            self._sleeps_until = self.clock() + seconds
            with self._looking:
                ended = answers.take(seconds)
                if self.clock() >= answers.overdue_at:
                    ended += answers.take_overdue()
            answers.stop_waking()
            # The lock is not held: reading an answer runs schemas, which are user code.
            for call in ended:
                self._end(call.flight, call.done)
        self._sleeps_until = -inf

    def _end(self, flight: Flight, done: Done) -> None:
        answer = flight.read_answer()
        if answer is None:
            self.run(partial(done, partial(finish_call, self.client, flight)))
        else:
            self._contain(partial(done, lambda: answer))

    def _contain(self, job: Callable[[], None]) -> None:
        try:
            job()
        except BaseException as error:
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        # No error of a client gets here: this is a bug here, and the worker must not go on with it.
        logger.error("A call, or what follows from it, ends with a fault", exc_info=error)
        self.error = self.error or error


def failed(error: BaseException) -> Callable[[], Any]:
    """Return a function that raises an error, in place of one that returns an answer."""

    def get() -> Any:
        raise error

    return get
