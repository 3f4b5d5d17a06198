"""
The handlers that run in a transaction: the unit layer `pubsub_transactions`, which has a layer for each of them.

Imports nothing of SQLAlchemy before a handler has one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from microcosm_pubsub.config.program import find_module
from microcosm_pubsub.errors import ConfigurationError
from microcosm_pubsub.middleware.event_loop import EventLoop
from microcosm_pubsub.middleware.handler_call import is_async
from microcosm_pubsub.registry import HandlerOptions
from microcosm_pubsub.types import Handler, UnitLayer


if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from microcosm_pubsub.sql.database import Database
    from microcosm_pubsub.sql.inbox import HandlerInbox, Inbox
    from microcosm_pubsub.sql.transaction import Transaction


class Transactions:
    """
    Give handlers their transactions.

    :param database: in which they are; None if there is none
    :param inbox: knows what was handled before
    :param loop: runs coroutine handlers
    :param name: of the daemon, which handles what others with the same handlers may handle too
    :param always: whether every handler has one
    """

    def __init__(
        self, database: Database | None, inbox: Inbox | None, loop: EventLoop, name: str, always: bool = False
    ) -> None:
        self.database = database
        self.inbox = inbox
        self.loop = loop
        self.name = name
        self.always = always

    def for_handler(self, handler: Handler | None, options: HandlerOptions) -> UnitLayer | None:
        """
        Return the layer of a handler; None if it has no transaction.

        :raises ConfigurationError: if it is to have one, and there is no database, or none for coroutines
        """
        if handler is None or not (self.always or options.transaction or options.once):
            return None
        if self.database is None:
            raise ConfigurationError(
                f"{name_of(handler)} is to run in a transaction, but there is no database: set pubsub_database.url, "
                "such as sqlite:///orders.db, or bind a `sessionmaker`"
            )
        from microcosm_pubsub.sql.layer import TransactionLayer

        return TransactionLayer(self._choose_transaction(self.database, handler), self.find_inbox(handler, options))

    def find_inbox(self, handler: Handler, options: HandlerOptions) -> HandlerInbox | None:
        """Return the inbox of a handler; None if it may handle a message twice."""
        if self.inbox is None or not options.once:
            return None
        from microcosm_pubsub.sql.inbox import HandlerInbox

        return HandlerInbox(self.inbox, f"{self.name}:{name_of(handler)}")

    def _choose_transaction(
        self, database: Database, handler: Handler
    ) -> Callable[[], AbstractContextManager[Transaction]]:
        if not is_async(handler):
            return lambda: database.open(database.make_transaction())
        try:
            database.get_async_engine()
        except ConfigurationError as error:
            raise ConfigurationError(f"{name_of(handler)}: {error}") from error
        return lambda: database.open(database.make_async_transaction(self.loop))


def name_of(handler: Handler) -> str:
    """Return the name of a handler: of the function, or of its class."""
    named = handler if hasattr(handler, "__qualname__") else type(handler)
    return f"{find_module(named.__module__)}.{named.__qualname__}"  # type: ignore[attr-defined, unused-ignore]
