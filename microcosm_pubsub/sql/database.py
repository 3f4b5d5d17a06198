"""
Transactions of one database: the component `pubsub_database`.

    with graph.pubsub_database.transaction() as session:
        session.add(Order(uri=uri))
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from logging import getLogger
from threading import Lock, RLock, get_ident
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import Connection, Engine, Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError, OperationalError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.orm import Session

from microcosm_pubsub.config.fork import hold_still_while_forking, keep_inherited, start_anew_in_child
from microcosm_pubsub.errors import ConfigurationError
from microcosm_pubsub.middleware.event_loop import EventLoop
from microcosm_pubsub.sql.engine import BUSY_SECONDS, make_async_engine, make_engine
from microcosm_pubsub.sql.errors import TransactionError
from microcosm_pubsub.sql.passing import find_state, first_line
from microcosm_pubsub.sql.savepoints import follow_connections, follow_sessions
from microcosm_pubsub.sql.schema import make_tables
from microcosm_pubsub.sql.session import TRANSACTION_KEY, guard
from microcosm_pubsub.sql.transaction import Transaction, being_current, current_transaction
from microcosm_pubsub.sql.upgrade import COMMAND, check, history_of, upgrade
from microcosm_pubsub.sql.url import DatabaseURL


if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine


logger = getLogger(__name__)

T = TypeVar("T", bound=Transaction)

#: While a database cannot be reached, it is tried again after so long, and twice as long each time, up to so long.
MIN_WAIT_SECONDS = 0.05
MAX_WAIT_SECONDS = 1.0

#: What no patience mends: wrong passwords, no rights, no such database.
#: https://www.postgresql.org/docs/current/errcodes-appendix.html
LASTING_STATES = ("28", "3D", "42")
LASTING_TEXTS = ("authentication failed", "does not exist", "no password supplied", "unable to open database file")


@dataclass(frozen=True, slots=True)
class Settings:
    """
    What an operator decides of a database.

    :param schema: of our own tables, on PostgreSQL
    :param auto_upgrade: whether they are created and upgraded where that is needed
    :param options: of the engine: its pool, the isolation level
    :param wait_seconds: how long a transaction waits for a database that cannot be reached
    """

    schema: str | None = None
    options: dict[str, Any] = field(default_factory=dict)
    wait_seconds: float = 10.0
    auto_upgrade: bool = False


class Database:
    """
    Open transactions.

    :param engine: reaches the database
    :param url: which it is; None if the engine is somebody else's
    :param session_cls: the class of sessions
    :param session_options: of sessions
    :param clock: a monotonic clock, in seconds
    :param pause: waits for some seconds
    """

    def __init__(
        self,
        engine: Engine,
        settings: Settings,
        url: DatabaseURL | None = None,
        session_cls: type[Session] = Session,
        session_options: dict[str, Any] | None = None,
        clock: Callable[[], float] = monotonic,
        pause: Callable[[float], None] = sleep,
    ) -> None:
        self.engine = engine
        self.settings = settings
        self.url = url
        self.session_cls = guard(session_cls)
        self.session_options = session_options or {}
        self.clock = clock
        self.pause = pause
        self.tables = make_tables(None if engine.dialect.name == "sqlite" else settings.schema)
        self.is_sqlite = engine.dialect.name == "sqlite"
        self._async_engine: AsyncEngine | None = None
        self._making = Lock()
        self._prepared = False
        # on SQLite one writes at a time: threads of this process take turns here, which is fairer than at the file
        self._turn = RLock()
        self._owner: int | None = None
        follow_connections(engine)
        follow_sessions(self.session_cls)
        start_anew_in_child(self, Database._start_anew)
        if self.is_sqlite:
            # as `broker.store` does, and for the same reason: https://www.sqlite.org/howtocorrupt.html (2.6)
            hold_still_while_forking(self, lambda database: database._turn)

    @classmethod
    def open_url(cls, url: DatabaseURL, settings: Settings, **options: Any) -> Database:
        """
        Return the database of a URL.

        :raises ConfigurationError: if its driver is not installed
        """
        return cls(make_engine(url, **settings.options), settings, url, **options)

    def __str__(self) -> str:
        return self.engine.url.render_as_string(hide_password=True)

    # transactions

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """
        Give a session, whose work is committed at a clean end of the block, and undone otherwise.

        Inside a handler's transaction, or another block, it is part of that one: its work is undone if the block
        raises, and committed with the other.

        :raises TransactionError: if the database cannot be reached, or somebody else ended the transaction
        :raises sqlalchemy.exc.SQLAlchemyError: if the database does not take what the block did
        """
        outer = self.current()
        if outer is not None and outer.is_async:
            raise TransactionError("A coroutine handler has a transaction already: use its session, current_session()")
        if outer is not None:
            with outer.session.begin_nested():
                yield outer.session
            return
        with self.open(self.make_transaction()) as transaction:
            yield transaction.session
            transaction.commit()

    def current(self) -> Transaction | None:
        """Return the transaction that is open here, in this thread, if one is."""
        transaction = current_transaction()
        is_ours = transaction is not None and transaction.owner is self and transaction.thread == get_ident()
        return transaction if is_ours else None

    def make_transaction(self) -> Transaction:
        """Return a transaction to be opened in this thread."""
        return Transaction(self, self.engine, self._make_session)

    def make_async_transaction(self, loop: EventLoop) -> Transaction:
        """
        Return a transaction to be opened for a coroutine that a loop runs.

        :raises ConfigurationError: if the URL's driver is not for coroutines
        """
        from microcosm_pubsub.sql.async_transaction import AsyncTransaction

        return AsyncTransaction(self, self.get_async_engine(), loop)

    @contextmanager
    def open(self, transaction: T) -> Iterator[T]:
        """
        Begin a transaction, which is current in the block, and undo it at the end if it was not committed.

        :raises TransactionError: if the database cannot be reached
        """
        with self._take_turn():
            self._prepare()
            self._begin(transaction)
            try:
                with being_current(transaction):
                    yield transaction
            finally:
                transaction.close()
        if transaction.is_committed:
            for call in transaction.after_commit:
                call()

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        """
        Give a connection with a short transaction of ours, which is committed at a clean end of the block.

        :raises TransactionError: if the database cannot be reached, or does not take it
        """
        with self._take_turn():
            try:
                with self.engine.begin() as connection:
                    yield connection
            except (DBAPIError, PoolTimeoutError) as error:
                raise self.describe(error) from error

    def insert(self, table: Table) -> Any:
        """Return a statement that inserts into a table, and can do nothing on a conflict."""
        return (sqlite if self.is_sqlite else postgresql).insert(table)

    # our tables

    def check(self) -> None:
        """
        Do nothing if our tables have the version of this package.

        :raises ConfigurationError: if they have not
        :raises TransactionError: if the database cannot be used
        """
        with self._take_turn():
            self._prepare()
        with self.connect() as connection:
            check(connection, self.tables, str(self))

    def find_version(self) -> str | None:
        """
        Return the version of our tables; None if there are none.

        :raises TransactionError: if the database cannot be used
        """
        with self.connect() as connection:
            return ", ".join(history_of(self.tables).find_current(connection)) or None

    def upgrade(self) -> None:
        """
        Bring our tables to the version of this package.

        :raises ConfigurationError: if they are newer
        :raises TransactionError: if the database cannot be used
        """
        with self.connect() as connection:
            upgrade(connection, self.tables, str(self))

    def get_async_engine(self) -> AsyncEngine:
        """
        Return the engine for coroutines, which is made when it is first asked for.

        :raises ConfigurationError: if the URL's driver is not for coroutines
        """
        if self.url is None or self.url.coroutines is None:
            raise ConfigurationError(
                f"Coroutine handlers cannot have transactions of {self}: its driver is for threads alone; set "
                "pubsub_database.url to one of postgresql+psycopg, postgresql+asyncpg or sqlite+aiosqlite, or declare "
                "the handler with `def`"
            )
        with self._making:
            if self._async_engine is None:
                self._async_engine = make_async_engine(self.url, **self.settings.options)
                follow_connections(self._async_engine.sync_engine)
            return self._async_engine

    @contextmanager
    def explaining(self) -> Iterator[None]:
        """
        Say of our tables, where they are used in the block and missing, what makes them.

        :raises TransactionError: if they are missing
        """
        try:
            yield
        except (OperationalError, ProgrammingError) as error:
            if find_state(error) == "42P01" or "no such table" in str(error.orig):
                raise TransactionError(
                    f"The database {self} has no tables of microcosm_pubsub, or old ones ({first_line(error)}): run "
                    f"`{COMMAND}`, or set pubsub_database.auto_upgrade"
                ) from error
            raise

    def describe(self, error: Exception) -> TransactionError:
        """Return what an error of the database means for whoever runs this."""
        hint = "correct pubsub_database.url, or the rights of its user" if is_lasting(error) else "see that it runs"
        if isinstance(error, PoolTimeoutError):
            hint = "all connections are in use: raise pubsub_database.pool_size, or lower pubsub_worker.concurrency"
        return TransactionError(f"Cannot use the database {self}: {first_line(error)}; {hint}")

    def close(self) -> None:
        """Close the connections."""
        self.engine.dispose()

    # inside

    def _make_session(self, transaction: Transaction, connection: Connection) -> Session:
        options = {**self.session_options, "join_transaction_mode": "rollback_only"}
        info = {**options.pop("info", {}), TRANSACTION_KEY: transaction}
        session: Session = self.session_cls(**{**options, "bind": connection, "info": info})
        return session

    def _prepare(self) -> None:
        """Create or upgrade our tables, once, where that is wanted."""
        if self._prepared:
            return
        is_memory = self.url is not None and self.url.is_memory
        with self._making:
            if not self._prepared and (is_memory or self.settings.auto_upgrade):
                try:
                    with self.engine.begin() as connection:
                        if is_memory:
                            self.tables.metadata.create_all(connection)
                        else:
                            upgrade(connection, self.tables, str(self))
                except DBAPIError as error:
                    raise self.describe(error) from error
            self._prepared = True

    def _begin(self, transaction: Transaction) -> None:
        """Begin, and wait for a database that starts, or that cannot be reached for a moment."""
        deadline = self.clock() + self.settings.wait_seconds
        wait = MIN_WAIT_SECONDS
        while True:
            try:
                transaction.begin()
                return
            except (OperationalError, OSError) as error:
                if self.is_sqlite or is_lasting(error) or self.clock() >= deadline:
                    raise self.describe(error) from error
            except PoolTimeoutError as error:
                raise self.describe(error) from error
            self.pause(wait)
            wait = min(2 * wait, MAX_WAIT_SECONDS)

    @contextmanager
    def _take_turn(self) -> Iterator[None]:
        if not self.is_sqlite:
            yield
            return
        if self._owner == get_ident():
            raise TransactionError(
                f"This thread has a transaction of {self} already, and SQLite lets nobody else write meanwhile"
            )
        if not self._turn.acquire(timeout=BUSY_SECONDS):
            raise TransactionError(
                f"Another transaction of this process has kept the database {self} for {BUSY_SECONDS:g} s: make it "
                "shorter, or use PostgreSQL"
            )
        self._owner = get_ident()
        try:
            yield
        finally:
            self._owner = None
            self._turn.release()

    def _start_anew(self) -> None:
        # https://docs.sqlalchemy.org/en/20/core/pooling.html#using-connection-pools-with-multiprocessing-or-os-fork
        self._turn, self._owner, self._making = RLock(), None, Lock()
        if self.url is not None and self.url.is_memory:
            return
        keep_inherited(self.engine.pool)
        self.engine.dispose(close=False)
        # of an event loop that the child does not have
        keep_inherited(self._async_engine)
        self._async_engine = None


def is_lasting(error: Exception) -> bool:
    """Return whether an error while connecting will come again until somebody changes something."""
    state = find_state(error) if isinstance(error, DBAPIError) else None
    # libpq tells no SQLSTATE of a connection that it could not make, only what the server said
    # https://github.com/psycopg/psycopg/issues/331
    said = str(error)
    return (state or "").startswith(LASTING_STATES) or any(text in said for text in LASTING_TEXTS)
