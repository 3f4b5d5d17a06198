"""
Statements that are compiled once.

SQLAlchemy looks a statement up among the compiled ones, makes its parameters, and describes its result, at every
execution; for the few statements of the hot calls that takes longer than the database does. These go to the driver
itself, which keeps them prepared.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection, Dialect
from sqlalchemy.exc import IntegrityError


Parameters = Mapping[str, Any]

#: Rows that one statement inserts on SQLite: one for ten rows takes half the time of ten for one row.
ROWS_PER_INSERT = 10


class PreparedStatement:
    """
    A statement that is compiled once for each kind of database.

    :param statement: has no parameter that expands, such as that of an IN
    :param postgresql: what it is there, if that is another one
    """

    def __init__(self, statement: Any, postgresql: Any = None) -> None:
        self._statements = {"sqlite": statement, "postgresql": statement if postgresql is None else postgresql}
        self._compiled: dict[str, tuple[str, Callable[[Parameters], Any]]] = {}
        #: Makes a row of what each driver gives.
        self._make_row: dict[str, Callable[[Any], Any]] = {}

    def execute(
        self,
        connection: Connection,
        parameters: Parameters | Sequence[Parameters],
    ) -> list[Any]:
        """
        Execute the statement, once, or once for each of several parameters, and return its rows, if it gives any.

        The values of a row are as the driver gives them: on SQLite a boolean is 0 or 1.

        :raises sqlalchemy.exc.IntegrityError: if the database does not hold together with them
        """
        dialect = connection.dialect
        sql, arrange = self._compiled.get(dialect.name) or self._compile(dialect)
        each = [arrange(parameters)] if isinstance(parameters, Mapping) else list(map(arrange, parameters))
        cursor: Any = connection.connection.cursor()
        try:
            if len(each) == 1:
                cursor.execute(sql, each[0])
            elif dialect.name == "sqlite" and self._statements["sqlite"].is_insert:
                insert_rows(cursor, sql, each)
            else:
                cursor.executemany(sql, each)
        except dialect.loaded_dbapi.IntegrityError as error:
            raise IntegrityError(sql, None, error) from error
        if cursor.description is None:
            return []
        make_row = self._make_row.get(dialect.name)
        if make_row is None:
            row: Any = namedtuple("Row", [column[0] for column in cursor.description])  # type: ignore[misc]
            make_row = self._make_row[dialect.name] = row._make
        return [make_row(values) for values in cursor]

    def _compile(self, dialect: Dialect) -> tuple[str, Callable[[Parameters], Any]]:
        compiled = self._statements[dialect.name].compile(dialect=dialect)
        constants = {name: bind.value for bind, name in compiled.bind_names.items() if not bind.required}
        names = list(compiled.positiontup) if compiled.positional else None
        entry = self._compiled[dialect.name] = (str(compiled), make_arrange(constants, names))
        return entry


def insert_rows(cursor: Any, sql: str, rows: Sequence[Any]) -> None:
    """
    Insert several rows at a time.

    :param sql: inserts one row, whose values are its only parameters
    """
    begin = sql.index("VALUES (") + len("VALUES ")
    end = sql.index(")", begin) + 1
    for start in range(0, len(rows), ROWS_PER_INSERT):
        some = rows[start : start + ROWS_PER_INSERT]
        more = f", {sql[begin:end]}" * (len(some) - 1)
        cursor.execute(f"{sql[:end]}{more}{sql[end:]}", list(chain.from_iterable(some)))


def make_arrange(constants: Parameters, names: list[str] | None) -> Callable[[Parameters], Any]:
    """
    Return what puts parameters in the order, or under the names, that a driver takes.

    :param constants: stand in the statement
    :param names: in their order, if the driver takes a sequence
    """
    choose: Callable[[Parameters], Any] = dict
    if names is not None:
        # With a single name, what it gets is no tuple.
        choose = itemgetter(*names) if len(names) > 1 else lambda values: tuple(values[name] for name in names)
    return choose if not constants else lambda parameters: choose({**constants, **parameters})
