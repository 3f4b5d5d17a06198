"""
Effects once: handlers in a database transaction, their inbox and their outbox.

    begin -> inbox row -> handler (its rows, its outbox rows) -> commit -> settle -> publish the outbox rows

- `errors`, `base`: what is wrong with a transaction; a base for models.
- `url`, `engine`, `passing`: which database, how it is reached, and what its errors mean.
- `session`, `transaction`, `async_transaction`: one transaction, and the session that it gives.
- `outgoing`, `savepoints`: what a transaction publishes, without what it takes back.
- `schema`, `history`, `upgrade`, `migrations/`: our own tables, and their versions.
- `turns`: who may write to a SQLite file.
- `connections`: connections, for what we do ourselves.
- `database`: opens transactions: the component `pubsub_database`.
- `inbox`: what was handled.
- `outbox/`: messages that wait to be published, and their relay.
- `layer`, `transactions`: a transaction around what a handler does, and which handlers have one.
- `background`, `housekeeping`: what a daemon does beside its worker.
- `factory`: the components of an object graph, for which nothing of SQLAlchemy is imported before it is needed.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any


if TYPE_CHECKING:
    from microcosm_pubsub.sql.base import Base
    from microcosm_pubsub.sql.database import Database
    from microcosm_pubsub.sql.errors import TransactionError
    from microcosm_pubsub.sql.transaction import current_session

_HOMES = {
    "Base": "base",
    "Database": "database",
    "TransactionError": "errors",
    "current_session": "transaction",
}

__all__ = ["Base", "Database", "TransactionError", "current_session"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
