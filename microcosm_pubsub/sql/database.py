"""
Transactions of one database: the component `pubsub_database`.

    with graph.pubsub_database.transaction() as session:
        session.add(Order(uri=uri))
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock, get_ident
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import finalize

from sqlalchemy import Connection, Engine, Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from microcosm_pubsub.config.fork import keep_inherited, start_anew_in_child
from microcosm_pubsub.errors import ConfigurationError
from microcosm_pubsub.middleware.event_loop import EventLoop
from microcosm_pubsub.sql.connections import Connections
from microcosm_pubsub.sql.engine import make_async_engine, make_engine
from microcosm_pubsub.sql.errors import TransactionError
from microcosm_pubsub.sql.savepoints import follow_connections, follow_sessions
from microcosm_pubsub.sql.schema import make_tables
from microcosm_pubsub.sql.session import TRANSACTION_KEY, guard
from microcosm_pubsub.sql.transaction import Transaction, being_current, current_transaction
from microcosm_pubsub.sql.upgrade import check, history_of, upgrade
from microcosm_pubsub.sql.url import DatabaseURL


if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine


T = TypeVar("T", bound=Transaction)


@dataclass(frozen=True, slots=True)
class Settings:
    """
    The settings of a database that an operator decides.

    :param schema: of our own tables, on PostgreSQL
    :param auto_upgrade: whether they are created and upgraded where that is needed
    :param options: of the engine: its pool, the isolation level
    :param wait_seconds: how long a transaction waits for a database that cannot be reached
    """

    schema: str | None = None
    options: dict[str, Any] = field(default_factory=dict)
    wait_seconds: float = 10.0
    auto_upgrade: bool = False


class Database(Connections):
    """
    Open transactions.

    :param engine: reaches the database
    :param url: its URL; None if the engine is somebody else's
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
        super().__init__(engine, url, settings.wait_seconds, clock, pause)
        self.settings = settings
        self.session_cls = guard(session_cls)
        self.session_options = session_options or {}
        self.tables = make_tables(None if self.is_sqlite else settings.schema)
        self._async_engine: AsyncEngine | None = None
        self._making = Lock()
        self._prepared = False
        follow_connections(engine)
        follow_sessions(self.session_cls)
        start_anew_in_child(self, Database._start_anew)

    @classmethod
    def open_url(cls, url: DatabaseURL, settings: Settings, **options: Any) -> Database:
        """
        Return the database of a URL.

        :raises ConfigurationError: if its driver is not installed
        """
        database = cls(make_engine(url, **settings.options), settings, url, **options)
        # One that is not closed, such as that of a daemon, is closed when it is no longer used.
        end = finalize(database, database.engine.dispose)
        # A thread may be within the one connection of a database in memory when the program ends, and SQLite does not
        # stand that it is closed then.
        end.atexit = not database.is_memory
        return database

    # Transactions.

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
        with self._turns.take():
            self._prepare()
            self._calls.call(transaction.begin)
            try:
                with being_current(transaction):
                    yield transaction
            finally:
                transaction.close()
        if transaction.is_committed:
            for call in transaction.after_commit:
                call()

    def insert(self, table: Table) -> Any:
        """Return a statement that inserts into a table, and can do nothing on a conflict."""
        return (sqlite if self.is_sqlite else postgresql).insert(table)

    # Our tables.

    def check(self) -> None:
        """
        Do nothing if our tables have the version of this package.

        :raises ConfigurationError: if they have not
        :raises TransactionError: if the database cannot be used
        """
        with self._turns.take():
            self._prepare()
            self._calls.call(self._check_tables)

    def find_version(self) -> str | None:
        """
        Return the version of our tables; None if there are none.

        :raises TransactionError: if the database cannot be used
        """
        if self.url is not None and self.url.find_absent_file() is not None:
            return None
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

    def close(self) -> None:
        """Close the connections."""
        self.engine.dispose()

    # Internals.

    def _make_session(self, transaction: Transaction, connection: Connection) -> Session:
        options = {**self.session_options, "join_transaction_mode": "rollback_only"}
        info = {**options.pop("info", {}), TRANSACTION_KEY: transaction}
        session: Session = self.session_cls(**{**options, "bind": connection, "info": info})
        return session

    def _prepare(self) -> None:
        """Create or upgrade our tables, once, where that is wanted."""
        if self._prepared:
            return
        with self._making:
            if not self._prepared and (self.is_memory or self.settings.auto_upgrade):
                self._calls.call(self._make_tables)
            self._prepared = True

    def _make_tables(self) -> None:
        with self.engine.begin() as connection:
            if self.is_memory:
                self.tables.metadata.create_all(connection)
            else:
                upgrade(connection, self.tables, str(self))

    def _check_tables(self) -> None:
        with self.engine.begin() as connection:
            # The tables of a database in memory have no version.
            if not self.is_memory:
                check(connection, self.tables, str(self))

    def _start_anew(self) -> None:
        # A child needs connections of its own:
        # https://docs.sqlalchemy.org/en/20/core/pooling.html#using-connection-pools-with-multiprocessing-or-os-fork
        self._making = Lock()
        if self.is_memory:
            return
        keep_inherited(self.engine.pool)
        self.engine.dispose(close=False)
        # Its connections belong to an event loop that the child does not have.
        keep_inherited(self._async_engine)
        self._async_engine = None
