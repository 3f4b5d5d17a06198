"""
Wake receives that wait for messages.

Within a process a condition does it. From other processes the news comes through PostgreSQL's NOTIFY, or, with
SQLite, by looking again several times a second.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Condition, Event, Thread
from time import monotonic
from typing import Any

from microcosm_pubsub.broker.store import Store
from microcosm_pubsub.config.fork import start_anew_in_child


#: Other processes' messages, and those whose time has come, are noticed so soon.
POLL_SECONDS = 0.1

CHANNEL = "pubsub_messages"


class Notifier:
    """Wake receives of this process; a waiting receive also looks again every `POLL_SECONDS`."""

    def __init__(self) -> None:
        self._condition = Condition()
        self._generation = 0
        #: A number that changes whenever waiting receives are to end.
        self.interruptions = 0
        start_anew_in_child(self, type(self).start_anew)
        #: Is called at each `wake` as well, by whatever thread that is.
        self.on_wake: Callable[[], None] = lambda: None

    @property
    def generation(self) -> int:
        """Return a number that changes with every notification; read it before looking for messages."""
        return self._generation

    def notify(self, connection: Any) -> None:
        """Tell other processes, with the transaction, that a queue has messages."""

    def wake(self) -> None:
        """Tell this process, after the transaction, that queues have messages."""
        with self._condition:
            self._generation += 1
            self._condition.notify_all()
        self.on_wake()

    def interrupt(self) -> None:
        """Have receives that wait end without a message, now."""
        with self._condition:
            self.interruptions += 1
            self._condition.notify_all()

    def wait(self, generation: int, deadline: float) -> bool:
        """
        Wait for a notification after a generation, but no longer than until it is time to look again.

        :param deadline: when to give up, by `time.monotonic`
        :returns: whether to look again; False after the deadline
        """
        left = deadline - monotonic()
        if left <= 0:
            return False
        with self._condition:
            if self._generation == generation:
                self._condition.wait(min(left, POLL_SECONDS))
        return True

    def listen(self) -> None:
        """Begin to be woken by other processes, as far as the database can do that."""

    def close(self) -> None:
        """Stop listening."""

    def start_anew(self) -> None:
        """Have a lock of its own, in a forked child."""
        self._condition = Condition()


class PostgresNotifier(Notifier):
    """
    Wake receives of every process on a PostgreSQL database.

    https://www.postgresql.org/docs/current/sql-notify.html

    :param store: the database
    """

    def __init__(self, store: Store) -> None:
        super().__init__()
        self._store = store
        self._stopped = Event()
        self._thread: Thread | None = None

    def notify(self, connection: Any) -> None:
        """Tell other processes, with the transaction, that a queue has messages."""
        connection.exec_driver_sql(f"NOTIFY {CHANNEL}")

    def wait(self, generation: int, deadline: float) -> bool:
        """Wait for a notification; see `Notifier.wait`."""
        if deadline > monotonic():
            self.listen()
        return super().wait(generation, deadline)

    def listen(self) -> None:
        """Begin to be woken by other processes."""
        if self._thread is None:
            self._thread = Thread(target=self._listen, name="pubsub-broker-listen", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Stop listening."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join()

    def start_anew(self) -> None:
        """Have a lock of its own, in a forked child, and listen anew when asked to."""
        super().start_anew()
        self._stopped, self._thread = Event(), None

    def _listen(self) -> None:
        while not self._stopped.is_set():
            # A thread of our own: if the database goes away, receives still look again by themselves.
            try:
                self._listen_once()
            except Exception:
                self._stopped.wait(1.0)

    def _listen_once(self) -> None:
        connection = self._store.engine.raw_connection()
        driver: Any = connection.driver_connection
        try:
            # no longer the pool's: a connection that is lost is no news to it
            connection.detach()
            driver.autocommit = True
            driver.execute(f"LISTEN {CHANNEL}")
            while not self._stopped.is_set():
                for _ in driver.notifies(timeout=0.5, stop_after=1):
                    self.wake()
        finally:
            driver.close()


def make_notifier(store: Store) -> Notifier:
    """Return the notifier that fits a database."""
    return Notifier() if store.is_sqlite else PostgresNotifier(store)
