"""
The dealings of a daemon's process with others: signals, exit codes, and reports to its supervisor.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from io import TextIOWrapper
from signal import SIG_IGN, SIG_UNBLOCK, SIGINT, SIGTERM, SIGUSR2, pthread_sigmask, signal
from threading import current_thread, main_thread
from typing import Any, TextIO

from microcosm_daemon.reloader import Reloader

from microcosm_pubsub.health import Report
from microcosm_pubsub.worker.worker import Worker


#: The signals that stop a daemon, and those that pause or resume it.
STOP_SIGNALS = (SIGINT, SIGTERM)
PAUSE_SIGNAL = SIGUSR2
SIGNALS = (*STOP_SIGNALS, PAUSE_SIGNAL)

#: How a daemon's process ends: as it should; when somebody has to change something; on a wrong command line; when a
#: new process may do better; and, for its supervisor alone, when it asks for a new process.
EXIT_OK = 0
EXIT_LASTING = 1
EXIT_USAGE = 2
EXIT_RESTART = 3
EXIT_RECYCLED = 4

#: A process reports to its supervisor at this interval, in seconds.
REPORT_SECONDS = 1.0


def rebuild(make: Callable[..., type[Any]], *args: Any) -> Any:
    """
    Return an instance of a class that a function makes: how such an instance is unpickled in another process.

    :param make: returns the class
    :param args: of it
    """
    return make(*args)()


class Reporter:
    """
    Tell a supervisor how a worker fares, and reload a changed program when debugging; called again and again.

    :param get_report: gives the report of the moment
    :param send_report: sends it to the supervisor, if there is one
    """

    def __init__(
        self,
        worker: Worker,
        get_report: Callable[[], Report],
        send_report: Callable[[Report], None] | None,
        debug: bool,
    ) -> None:
        self.worker = worker
        self.get_report = get_report
        self.send_report = send_report
        self.reloader = Reloader() if debug else None
        self.next_report_at = worker.clock()

    def __call__(self) -> None:
        """Report, if it is time to."""
        if self.reloader is not None:
            self.reloader()
        if self.send_report is None or self.worker.clock() < self.next_report_at:
            return
        self.next_report_at = self.worker.clock() + REPORT_SECONDS
        try:
            self.send_report(self.get_report())
        except OSError:
            # The supervisor would have passed the signals on.
            self.worker.dispatcher.logger.error("The supervisor is gone: stopping")
            self.send_report = None
            self.worker.stop()


def listen(worker: Worker) -> None:
    """Let signals stop a worker, or pause and resume it; they are the main thread's, and other threads hear none."""
    if current_thread() is not main_thread():
        return
    for number in STOP_SIGNALS:
        signal(number, lambda number, frame: worker.stop())
    signal(PAUSE_SIGNAL, lambda number, frame: worker.toggle())


def take_any_text(stream: TextIO) -> None:
    """
    Let a stream write what it cannot encode, such as half a surrogate pair, by its number.

    A message may hold such text, and a log line that quotes it must not be lost.
    """
    if isinstance(stream, TextIOWrapper):
        stream.reconfigure(errors="backslashreplace")


def exit_on_signals(note_stop: Callable[[], None]) -> None:
    """
    Exit 0 when told to stop before the first receive; a supervisor has blocked the signals until now.

    :param note_stop: is called before: Python drops what is raised within a finalizer, and the process starts up
    """
    if current_thread() is not main_thread():
        return

    def stop(number: int, frame: object) -> None:
        note_stop()
        sys.exit(EXIT_OK)

    for number in STOP_SIGNALS:
        signal(number, stop)
    signal(PAUSE_SIGNAL, SIG_IGN)
    pthread_sigmask(SIG_UNBLOCK, SIGNALS)
