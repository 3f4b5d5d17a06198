"""
The session that a handler gets: of its own thread and of the time in which it runs, and unable to end the transaction.

Its `commit()` writes, and nothing is final before the handler has returned. Its `rollback()` undoes what came since
the last `commit()`: before the first one that is all of the transaction, which begins again; from then on the session
stands in savepoints. So a handler that does neither, as nearly all, needs none.
https://docs.sqlalchemy.org/en/20/orm/session_transaction.html#joining-a-session-into-an-external-transaction-such-as-for-test-suites
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from sqlalchemy.orm import Session


if TYPE_CHECKING:
    from microcosm_pubsub.sql.transaction import Transaction


#: Under this key of its `info` a session knows its transaction.
TRANSACTION_KEY = "pubsub_transaction"


def guard(session_cls: Any) -> type[Session]:
    """Return a class of sessions that check with their transaction whether they may be used."""

    # mypy accepts no base class that is a value.
    class GuardedSession(session_cls):  # type: ignore[misc]
        """A session of a transaction that somebody else ends."""

        @property
        def _transaction_of_handler(self) -> Transaction:
            transaction: Transaction = self.info[TRANSACTION_KEY]
            return transaction

        def get_bind(self, *args: Any, **kwargs: Any) -> Any:
            self._transaction_of_handler.check()
            return super().get_bind(*args, **kwargs)

        def add(self, instance: object, *args: Any, **kwargs: Any) -> None:
            self._transaction_of_handler.check()
            super().add(instance, *args, **kwargs)

        def delete(self, instance: object) -> None:
            self._transaction_of_handler.check()
            super().delete(instance)

        def flush(self, *args: Any, **kwargs: Any) -> None:
            self._transaction_of_handler.check()
            super().flush(*args, **kwargs)

        def commit(self) -> None:
            self._transaction_of_handler.check()
            super().commit()

        def close(self) -> None:
            self._note_close()
            super().close()

        def reset(self) -> None:
            self._note_close()
            super().reset()

        def invalidate(self) -> None:
            self._note_close()
            super().invalidate()

        def _note_close(self) -> None:
            # Work that was not committed is gone then, and the handler might return as if it were not.
            if self.in_transaction():
                self._transaction_of_handler.note_close()

    return cast(type[Session], GuardedSession)
