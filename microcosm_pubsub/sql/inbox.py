"""
The inbox: which message was handled by which handler, written in the transaction in which that was done.

Of several processes that get a message at the same time, the database lets one write the row; the others wait until
that one has committed, and find it there, or has rolled back, and write it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from json import loads
from time import time
from typing import Any

from sqlalchemy import Connection, delete, select, tuple_, update

from microcosm_pubsub.constants import IDENTITY_KEY
from microcosm_pubsub.errors import Nack, SkipMessage
from microcosm_pubsub.message import SQSMessage, find_value
from microcosm_pubsub.result import MessageHandlingResult
from microcosm_pubsub.sql.database import Database
from microcosm_pubsub.sql.transaction import Transaction
from microcosm_pubsub.sql.upgrade import explaining


#: A longer key, or one that cannot be stored as text, is written as its digest.
MAX_KEY_LENGTH = 200

#: At most this many old rows are deleted in one transaction.
STEP = 500

DAY_SECONDS = 24 * 60 * 60


class Inbox:
    """
    Know the messages that were handled.

    :param database: in which it stands
    :param retention_days: for how long
    :param now: tells the time of day, in seconds since the epoch
    """

    def __init__(self, database: Database, retention_days: float = 30, now: Callable[[], float] = time) -> None:
        self.database = database
        self.retention_days = retention_days
        self.now = now
        table = database.tables.inbox
        self._insert = database.insert(table).on_conflict_do_nothing().returning(table.c.message_key)

    def take(self, connection: Connection, handler: str, keys: Iterable[str]) -> set[str]:
        """
        Note that a handler handles messages, and return the keys of those that it has not handled before.

        :param connection: in whose transaction it handles them
        """
        at = int(self.now() * 1000)
        # The keys are sorted, so that two processes with the same keys do not wait for each other.
        rows = [{"handler": handler, "message_key": key, "handled_at": at} for key in sorted(set(keys))]
        with explaining(str(self.database)):
            return set(connection.scalars(self._insert, rows)) if rows else set()

    def note_answer(self, connection: Connection, handler: str, key: str, text: str) -> None:
        """Keep the answer to a request, in the transaction in which it is handled."""
        table = self.database.tables.inbox
        row = (table.c.handler == handler) & (table.c.message_key == key)
        connection.execute(update(table).where(row).values(answer=text))

    def find_answer(self, handler: str, key: str) -> str | None:
        """Return the answer to a request that was handled before."""
        table = self.database.tables.inbox
        with self.database.connect() as connection:
            found: str | None = connection.scalar(
                select(table.c.answer).where(table.c.handler == handler, table.c.message_key == key)
            )
        return found

    def remove_old(self) -> int:
        """Remove some rows that are too old to be of use, and return how many."""
        table = self.database.tables.inbox
        limit = int((self.now() - self.retention_days * DAY_SECONDS) * 1000)
        key = tuple_(table.c.handler, table.c.message_key)
        old = select(table.c.handler, table.c.message_key).where(table.c.handled_at < limit).limit(STEP)
        with self.database.connect() as connection:
            return connection.execute(delete(table).where(key.in_(old))).rowcount


def find_key(message: SQSMessage) -> str | None:
    """
    Return the key by which a message is known again; None if it has none.

    It is the id that its producer gave it, else the one that SNS gave it, else that of its queue.
    """
    given = find_value(message.opaque_data, IDENTITY_KEY) or find_sns_id(message.raw) or message.message_id
    return make_key(given) if isinstance(given, str) and given else message.message_id


def make_key(given: str) -> str:
    """Return an id as it is stored."""
    if len(given) <= MAX_KEY_LENGTH and given.isprintable():
        return given
    return f"sha256:{sha256(given.encode(errors='surrogatepass')).hexdigest()}"


def find_sns_id(raw: Any) -> str | None:
    """Return the id that SNS gave a message, if it wrapped that."""
    # The raw message may be of any make: it tells an id, or it does not.
    try:
        body = loads(raw["Body"])
        found = body["MessageId"] if body["Type"] == "Notification" else None
    except (KeyError, TypeError, ValueError, RecursionError):
        return None
    return found if isinstance(found, str) else None


@dataclass(frozen=True, slots=True)
class Taken:
    """
    The messages, of some, that must be handled.

    :param fresh: the positions of those to handle; the others are handled with them, or were before
    :param known: of those that were handled before
    """

    fresh: list[int]
    known: set[int]

    def complete(
        self, messages: Sequence[SQSMessage], results: Sequence[MessageHandlingResult], is_committed: bool
    ) -> list[MessageHandlingResult]:
        """
        Return the result of each message.

        :param results: of those that were handled
        :param is_committed: whether that is final; if not, a message that was there twice comes again
        """
        outcomes = dict(zip(self.fresh, results, strict=True))
        before, again = SkipMessage("handled before"), Nack(0, reason="it was here twice, and not handled")
        return [
            outcomes.get(position)
            or MessageHandlingResult.from_error(message, before if is_committed or position in self.known else again)
            for position, message in enumerate(messages)
        ]


class HandlerInbox:
    """
    The inbox of one handler.

    :param inbox: of all
    :param handler: its name, which its rows have
    """

    def __init__(self, inbox: Inbox, handler: str) -> None:
        self.inbox = inbox
        self.handler = handler

    def note_answer(self, transaction: Transaction, message: SQSMessage, text: str) -> None:
        """Keep the answer to a request, in the transaction in which it was handled."""
        key = find_key(message)
        if key is not None:
            transaction.run(lambda connection: self.inbox.note_answer(connection, self.handler, key, text))

    def find_answer(self, message: SQSMessage) -> str | None:
        """Return the answer to a request that was handled before, by any process."""
        key = find_key(message)
        return None if key is None else self.inbox.find_answer(self.handler, key)

    def take(self, transaction: Transaction, messages: Sequence[SQSMessage]) -> Taken:
        """
        Note in a transaction that messages are handled, and return which of them must be.

        One that nobody could read, or that has no key, must be handled, and has no row.
        """
        keys = {position: find_key(message) for position, message in enumerate(messages) if message.error is None}
        given = {key for key in keys.values() if key is not None}
        fresh = transaction.run(lambda connection: self.inbox.take(connection, self.handler, given))
        known = given - fresh
        wanted = frozenset(fresh)

        def take_again(connection: Connection) -> None:
            if wanted and self.inbox.take(connection, self.handler, wanted) != wanted:
                transaction.fail(Nack(0, reason="its handler rolled back, and somebody else got the message meanwhile"))

        transaction.beginnings.append(take_again)
        to_handle = []
        for position in range(len(messages)):
            key = keys.get(position)
            if key is None or key in fresh:
                to_handle.append(position)
                # The message may be there twice.
                fresh.discard(key or "")
        return Taken(to_handle, {position for position, key in keys.items() if key in known})
