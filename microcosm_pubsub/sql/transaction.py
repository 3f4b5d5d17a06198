"""
One transaction: a connection of the database, and the session that a handler or a block gets on it.

Our own writes before the handler are written again when its `rollback()` has taken them away; those after it come when
it can do nothing more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from threading import get_ident
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import Connection, Engine, RootTransaction
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from microcosm_pubsub.sql.errors import TransactionError
from microcosm_pubsub.sql.outgoing import TransactionMessages


if TYPE_CHECKING:
    from microcosm_pubsub.sql.database import Database


T = TypeVar("T")

#: The status of a transaction of which a statement has failed, as drivers have it from libpq:
#: https://www.postgresql.org/docs/current/libpq-status.html#LIBPQ-PQTRANSACTIONSTATUS
FAILED_STATUS = 3

#: The transaction that is open here: in this thread, or in this coroutine.
TRANSACTION: ContextVar[Transaction | None] = ContextVar("transaction", default=None)


class Transaction:
    """
    A transaction of one thread.

    :param owner: the database that opens it
    :param engine: gives its connection
    :param make_session: gives a session of this transaction on a connection
    """

    session: Session
    is_async = False

    def __init__(
        self, owner: Database, engine: Engine, make_session: Callable[[Transaction, Connection], Session]
    ) -> None:
        self.owner = owner
        self.engine = engine
        self.make_session = make_session
        self.thread = get_ident()
        self.ended = False
        self.is_committed = False
        #: The functions that are called first when it begins again.
        self.beginnings: list[Callable[[Connection], None]] = []
        #: The messages that it publishes; the writes at its end; and the calls after its commit.
        self.outgoing = TransactionMessages()
        self.before_commit: list[Callable[[Connection], None]] = []
        self.after_commit: list[Callable[[], None]] = []
        self._root: RootTransaction | None = None
        self._fault: Exception | None = None

    @property
    def user_session(self) -> Session:
        """Return the session of a handler."""
        return self.session

    def begin(self) -> None:
        """Begin, on a connection that nobody else uses."""
        connection = self.engine.connect()
        try:
            self.begin_on(connection)
        except BaseException:
            connection.close()
            raise

    def begin_on(self, connection: Connection) -> None:
        """Begin on a given connection, in this thread."""
        self.thread = get_ident()
        self._root = connection.begin()
        self.session = self.make_session(self, connection)

    def is_on(self, connection: Connection) -> bool:
        """Return whether it was begun on a connection."""
        return self._root is not None and self._root.connection is connection

    def begin_again(self) -> None:
        """
        Begin again, after the session's rollback has ended the transaction, with the writes from before the handler.
        """
        root = self._get_root()
        if self.ended or root.is_active:
            return
        self._root = root.connection.begin()
        for call in self.beginnings:
            call(root.connection)

    def fail(self, error: Exception) -> None:
        """Let the commit fail, even if the handler succeeds."""
        self._fault = self._fault or error

    def run(self, call: Callable[[Connection], T]) -> T:
        """Return the value of a function of the connection, within the transaction."""
        return call(self._get_root().connection)

    def check(self) -> None:
        """
        Do nothing while the session may be used here.

        :raises TransactionError: if its transaction has ended, or it is another thread's
        """
        if self.ended:
            raise TransactionError(
                "The session was used after its transaction had ended, with its handler or its block: nothing of it "
                "would be kept; open another with pubsub_database.transaction()"
            )
        if get_ident() != self.thread:
            raise TransactionError(
                "The session was used by another thread than its own: sessions are for one thread; give the other one "
                "its data, or let it open pubsub_database.transaction()"
            )

    def note_close(self) -> None:
        """Note that a handler closed its session while that was in use."""
        if not self.ended:
            self.fail(
                TransactionError(
                    "The session was closed before its handler or block had ended, and what it had not committed is "
                    "gone: leave it open, it is closed afterwards"
                )
            )

    def commit(self) -> None:
        """
        Commit the work of the session, and all else.

        :raises TransactionError: if somebody else ended the transaction, or closed the session, or hid that a statement
            has failed
        :raises sqlalchemy.exc.SQLAlchemyError: if the database does not take it
        """
        root = self._get_root()
        if self._fault is not None:
            raise self._fault
        if self.session.is_active and not root.is_active:
            raise TransactionError(
                "The transaction was ended on its connection, by its handler or its block, so that it is not whole: "
                "leave commit and rollback of the connection to the framework"
            )
        self.session.commit()
        check_whole(root.connection)
        self.outgoing.write(root.connection)
        for call in self.before_commit:
            call(root.connection)
        root.commit()
        self.ended = self.is_committed = True

    def rollback(self) -> None:
        """Undo everything that is not committed; a connection that is lost has undone it."""
        if self.ended:
            return
        self.ended = True
        root = self._get_root()
        try:
            if root.is_active:
                root.rollback()
        except DBAPIError:
            root.connection.invalidate()

    def close(self) -> None:
        """Undo uncommitted work, and give the connection back."""
        try:
            self.let_go()
        finally:
            self._get_root().connection.close()

    def let_go(self) -> None:
        """Undo uncommitted work, and close the session."""
        self.rollback()
        self.session.close()

    def _get_root(self) -> RootTransaction:
        assert self._root is not None, "a transaction is begun before it is used"
        return self._root


def check_whole(connection: Connection) -> None:
    """
    Do nothing if the database will keep the work of a connection's transaction.

    PostgreSQL undoes all of it once a statement has failed, and SQLite at some errors, such as a full disk; both take a
    commit then, and say nothing.

    :raises TransactionError: if it is undone
    :raises sqlalchemy.exc.SQLAlchemyError: if it is undone, and the driver does not tell, so that the database is asked
    """
    driver: Any = connection.connection.driver_connection
    if connection.dialect.name == "sqlite":
        is_whole = driver.in_transaction
    elif hasattr(driver, "info"):
        is_whole = driver.info.transaction_status != FAILED_STATUS
    else:
        connection.exec_driver_sql("SELECT 1")
        return
    if not is_whole:
        raise TransactionError(
            "A statement has failed, or ended the transaction, so that the database has undone what was done, but the "
            "handler or block went on: let its error through, or put `with session.begin_nested():` around it"
        )


@contextmanager
def being_current(transaction: Transaction) -> Iterator[None]:
    """Let a transaction be the current one while the block runs."""
    token = TRANSACTION.set(transaction)
    try:
        yield
    finally:
        TRANSACTION.reset(token)


def current_transaction() -> Transaction | None:
    """Return the transaction that is open here, if one is."""
    transaction = TRANSACTION.get()
    # Work that outlives its handler still has its context.
    return None if transaction is None or transaction.ended else transaction


def current_session() -> Any:
    """
    Return the session of the handler, or of the block of `pubsub_database.transaction()`, that runs here.

    It is a `Session`; an `AsyncSession` in a coroutine handler.

    :raises TransactionError: if there is none
    """
    transaction = current_transaction()
    if transaction is None:
        raise TransactionError(
            "There is no session here: declare the handler with @handles(..., transaction=True), or open "
            "pubsub_database.transaction(); a thread that a handler starts has none"
        )
    return transaction.user_session
