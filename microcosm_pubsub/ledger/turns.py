"""
Cursors: at a key one task runs at a time, and the next one finds what it leaves in its cursor.

The row of a key says whose turn it is. A transaction that changes that, or looks for the next task of the key, locks it
first, and locks no row of a task before it: so nobody waits for each other.
"""

from __future__ import annotations

from json import dumps, loads
from typing import Any

from sqlalchemy import Connection, select, update

from microcosm_pubsub.errors import DeadLetter
from microcosm_pubsub.sql.database import Database


#: The longest cursor that is kept, in bytes.
MAX_CURSOR_BYTES = 64 * 1024


class Turns:
    """
    Know whose turn it is.

    :param database: has the cursors
    """

    def __init__(self, database: Database) -> None:
        self.table = table = database.tables.cursors
        made = database.insert(table)
        self._lock = made.on_conflict_do_update(index_elements=["key"], set_={"key": made.excluded.key}).returning(
            table.c.task_id
        )

    def lock(self, connection: Connection, key: str, now: int) -> str | None:
        """Return the id of the task whose turn it is at a key, which nobody else changes in this transaction."""
        found: str | None = connection.scalar(self._lock, {"key": key, "updated_at": now})
        return found

    def give(self, connection: Connection, key: str, task_id: str | None) -> None:
        """Let it be a task's turn, or nobody's."""
        connection.execute(update(self.table).where(self.table.c.key == key).values(task_id=task_id))

    def load(self, connection: Connection, key: str) -> dict[str, Any]:
        """Return the content of a key's cursor."""
        text = connection.scalar(select(self.table.c.value).where(self.table.c.key == key))
        return dict(loads(text)) if text else {}

    def save(self, connection: Connection, key: str, text: str, now: int) -> None:
        """Keep the content of a key's cursor."""
        connection.execute(update(self.table).where(self.table.c.key == key).values(value=text, updated_at=now))


def write_cursor(key: str, value: Any) -> str:
    """
    Return a cursor as JSON.

    :raises DeadLetter: if it cannot be kept
    """
    try:
        text = dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise DeadLetter(f"The cursor of {key!r} cannot be written as JSON: {error}") from error
    if len(text) > MAX_CURSOR_BYTES:
        raise DeadLetter(
            f"The cursor of {key!r} has {len(text)} bytes, and {MAX_CURSOR_BYTES} are kept at most: keep what is "
            "longer in a table of your own"
        )
    return text
