"""
Wake receives that wait for messages.

Within a process an event does it, which each receive that waits has for its queue. From other processes the news comes
through PostgreSQL's NOTIFY, or, with a SQLite file, by a datagram; both name the queue, so that whoever waits for
another one goes on waiting. Under both is a net: receives look again when the next message is due, and once a second in
any case, or ten times a second where there is no news.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from threading import Event, Lock, Thread
from time import monotonic
from typing import Any

from sqlalchemy import bindparam, select

from microcosm_pubsub.broker.bells import Bell, Bells
from microcosm_pubsub.broker.hearing import Hearing
from microcosm_pubsub.broker.held_news import HeldNews, News
from microcosm_pubsub.broker.postgresql import CHANNEL, tell_of
from microcosm_pubsub.broker.prepared_statement import PreparedStatement
from microcosm_pubsub.broker.store import Store
from microcosm_pubsub.config.fork import start_anew_in_child


#: Other processes' messages are noticed within this time where there is no news of them, in seconds.
POLL_SECONDS = 0.1

#: And within this time where there is, if it was lost.
NET_SECONDS = 1.0

#: A message that is due is somebody else's, if it is still not there.
MIN_WAIT_SECONDS = 0.01

#: With more queues than this, those for which nobody waits are forgotten.
MAX_HEARINGS = 1000


class Notifier:
    """Wake receives of this process."""

    #: A receive that waits looks again at this interval, whatever it hears, in seconds.
    net_seconds = POLL_SECONDS

    def __init__(self) -> None:
        self._lock = Lock()
        self._generation = 0
        self._hearings: dict[str, Hearing] = {}
        #: A number that changes whenever waiting receives are to end.
        self.interruptions = 0
        self._news = HeldNews(self._tell)
        start_anew_in_child(self, type(self).start_anew)
        #: The number of times that other processes had news.
        self.heard = 0
        #: Is called at each `wake` as well, by whatever thread that is.
        self.on_wake: Callable[[], None] = lambda: None

    @property
    def generation(self) -> int:
        """Return a number that changes with every notification; read it before looking for messages."""
        return self._generation

    def hear(self, queue: str) -> Hearing:
        """
        Return what is heard of a queue from now on.

        :param queue: its name
        """
        with self._lock:
            if len(self._hearings) >= MAX_HEARINGS:
                self._forget_unused()
            return self._hearings.setdefault(queue, Hearing())

    def notify(self, connection: Any, queue: str = "") -> None:
        """
        Tell other processes, with the transaction, that a queue has messages.

        :param queue: its name; by default any may have
        """

    def wake(self, queues: Iterable[str] | None = None) -> None:
        """
        Tell that queues have messages, after the transaction.

        :param queues: their names; by default any may have
        """
        self._news.tell(None if queues is None else list(queues))

    def holding(self) -> AbstractContextManager[None]:
        """Keep what this thread tells until the end of a block, which is one transaction, and drop it if that fails."""
        return self._news.until_end()

    def _tell(self, queues: News) -> None:
        """Tell this process."""
        with self._lock:
            self._generation += 1
            for queue in self._hearings if queues is None else queues:
                if hearing := self._hearings.get(queue):
                    hearing.tell()
        self.on_wake()

    def _forget_unused(self) -> None:
        self._hearings = {name: hearing for name, hearing in self._hearings.items() if hearing.is_used}

    def interrupt(self) -> None:
        """Have receives that wait end without a message, now."""
        with self._lock:
            self.interruptions += 1
            for hearing in self._hearings.values():
                hearing.interrupt()

    def wait(self, news: Event, deadline: float, due_seconds: float | None = None) -> bool:
        """
        Wait for news, but no longer than until it is time to look again.

        :param news: of `Hearing.listening`, cleared before the last look
        :param deadline: when to give up, by `time.monotonic`
        :param due_seconds: when the next message can be received, if that is known
        :returns: whether to look again; False after the deadline
        """
        left = deadline - monotonic()
        if left <= 0:
            return False
        if due_seconds is not None:
            left = min(left, max(due_seconds, MIN_WAIT_SECONDS))
        news.wait(min(left, self.net_seconds))
        return True

    def listen(self) -> None:
        """Begin to be woken by other processes, as far as the database can do that."""

    def close(self) -> None:
        """Stop listening."""

    def start_anew(self) -> None:
        """Have a lock of its own, in a forked child, where nobody waits."""
        self._lock = Lock()
        self._hearings = {}


class FileNotifier(Notifier):
    """
    Wake receives of every process on a SQLite file.

    :param database: its path
    """

    def __init__(self, database: str) -> None:
        super().__init__()
        self.bells = Bells(database)
        self._bell: Bell | None = None
        self._thread: Thread | None = None
        self._opening = Lock()
        self._is_closed = False

    def _tell(self, queues: News) -> None:
        """Tell this process, and the others."""
        super()._tell(queues)
        if queues is None or queues:
            self.bells.ring(self._bell, queues)

    def wait(self, news: Event, deadline: float, due_seconds: float | None = None) -> bool:
        """Wait for news; see `Notifier.wait`."""
        if self._thread is None and deadline > monotonic() and self._begin():
            # Messages may have come before it listened.
            return True
        return super().wait(news, deadline, due_seconds)

    def listen(self) -> None:
        """Begin to be woken by other processes."""
        self._begin()

    def close(self) -> None:
        """Stop listening."""
        with self._opening:
            self._is_closed = True
            bell, thread = self._bell, self._thread
        if bell is not None and thread is not None:
            self.bells.ring_one(bell.path.name)
            bell.end_wait()
            thread.join()
            bell.take_down()
            bell.listener.close()
        self.bells.close()

    def start_anew(self) -> None:
        """Have a lock and sockets of its own, in a forked child, and listen anew when asked to."""
        super().start_anew()
        self.bells.close()
        if self._bell is not None:
            # Only this process's end is closed.
            self._bell.listener.close()
        self._bell, self._thread, self._opening = None, None, Lock()
        self.net_seconds = POLL_SECONDS

    def _begin(self) -> bool:
        """Listen, and return whether that begins now."""
        with self._opening:
            if self._thread is not None or self._is_closed:
                return False
            self._bell = self.bells.hang()
            # A bell that cannot be hung is not tried again.
            self._thread = Thread(target=self._listen, args=(self._bell,), name="pubsub-broker-bell", daemon=True)
            self._thread.start()
            if self._bell is not None:
                self.net_seconds = NET_SECONDS
            return self._bell is not None

    def _listen(self, bell: Bell | None) -> None:
        while bell is not None:
            queues = bell.wait()
            if self._is_closed:
                return
            self.heard += 1
            super()._tell(queues)


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

    def notify(self, connection: Any, queue: str = "") -> None:
        """Tell other processes, with the transaction, that a queue has messages."""
        NOTIFY.execute(connection, {"queue_name": queue})

    def wait(self, news: Event, deadline: float, due_seconds: float | None = None) -> bool:
        """Wait for news; see `Notifier.wait`."""
        if deadline > monotonic():
            self.listen()
        return super().wait(news, deadline, due_seconds)

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
        self.net_seconds = POLL_SECONDS

    def _listen(self) -> None:
        while not self._stopped.is_set():
            # A thread of our own: if the database goes away, receives still look again by themselves.
            try:
                self._listen_once()
            except Exception:
                self.net_seconds = POLL_SECONDS
                self._stopped.wait(1.0)

    def _listen_once(self) -> None:
        connection = self._store.engine.raw_connection()
        driver: Any = connection.driver_connection
        try:
            # Take the connection out of the pool, which need not learn of its loss.
            connection.detach()
            driver.autocommit = True
            driver.execute(f"LISTEN {CHANNEL}")
            # Messages may have come before it listened.
            self.wake()
            self.net_seconds = NET_SECONDS
            while not self._stopped.is_set():
                for notice in driver.notifies(timeout=0.5, stop_after=1):
                    self.heard += 1
                    self.wake([notice.payload] if notice.payload else None)
        finally:
            driver.close()


NOTIFY = PreparedStatement(select(tell_of(bindparam("queue_name"))))


def make_notifier(store: Store) -> Notifier:
    """Return the notifier that fits a database."""
    if not store.is_sqlite:
        return PostgresNotifier(store)
    return Notifier() if store.is_memory else FileNotifier(str(store.url.database))
