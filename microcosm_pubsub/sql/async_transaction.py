"""
One transaction of a coroutine handler: begun, used and ended on the event loop that runs the handler.

It is a `Transaction` on the loop's side of SQLAlchemy's bridge; the thread that handles the message waits for it.
https://docs.sqlalchemy.org/en/20/orm/extensions/asyncio.html#running-synchronous-methods-and-functions-under-asyncio
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession
from sqlalchemy.orm import Session

from microcosm_pubsub.middleware.event_loop import EventLoop
from microcosm_pubsub.sql.savepoints import follow_sessions
from microcosm_pubsub.sql.session import TRANSACTION_KEY, guard
from microcosm_pubsub.sql.transaction import Transaction


if TYPE_CHECKING:
    from microcosm_pubsub.sql.database import Database


T = TypeVar("T")

GuardedSession = guard(Session)
follow_sessions(GuardedSession)


class AsyncTransaction(Transaction):
    """
    A transaction of one coroutine handler; its methods are for the thread that waits for it.

    :param owner: the database that opens it
    :param engine: gives its connection
    :param loop: runs the handler
    """

    is_async = True
    _connection: AsyncConnection
    _async_session: AsyncSession

    def __init__(self, owner: Database, engine: AsyncEngine, loop: EventLoop) -> None:
        super().__init__(owner, engine.sync_engine, self._make_session)
        self.async_engine = engine
        self.loop = loop

    @property
    def user_session(self) -> Any:
        """Return the session of a handler: an `AsyncSession`."""
        return self._async_session

    def begin(self) -> None:
        """Begin, on a connection that nobody else uses."""
        self.loop.run(self._begin())

    async def _begin(self) -> None:
        self._connection = await self.async_engine.connect()
        try:
            await self._connection.run_sync(self.begin_on)
        except BaseException:
            await self._connection.close()
            raise

    def run(self, call: Callable[[Connection], T]) -> T:
        """Return the value of a function of the connection, within the transaction."""
        return self.loop.run(self._connection.run_sync(call))

    def commit(self) -> None:
        """Commit, as `Transaction` does."""
        self.loop.run(self._connection.run_sync(lambda _: super(AsyncTransaction, self).commit()))

    def rollback(self) -> None:
        """Undo everything that is not committed."""
        if not self.ended:
            self.loop.run(self._connection.run_sync(lambda _: super(AsyncTransaction, self).rollback()))

    def close(self) -> None:
        """Undo uncommitted work, and give the connection back."""
        self.loop.run(self._close())

    async def _close(self) -> None:
        try:
            await self._connection.run_sync(lambda _: self._let_go())
        finally:
            await self._connection.close()

    def _let_go(self) -> None:
        # This runs on the loop already.
        super().rollback()
        self.session.close()

    def _make_session(self, transaction: Transaction, connection: Connection) -> Session:
        self._async_session = AsyncSession(
            self._connection,
            sync_session_class=GuardedSession,
            join_transaction_mode="rollback_only",
            info={TRANSACTION_KEY: transaction},
        )
        return self._async_session.sync_session
