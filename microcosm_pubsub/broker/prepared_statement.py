"""
Statements that are compiled once.

SQLAlchemy looks a statement up among the compiled ones, and makes its parameters, at every execution; for the few
statements of the hot calls that takes longer than the database does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, CursorResult, Dialect


Parameters = Mapping[str, Any]


class PreparedStatement:
    """
    A statement that is compiled once for each kind of database.

    :param statement: has no parameter that expands, such as that of an IN
    """

    def __init__(self, statement: Any) -> None:
        self.statement = statement
        self._compiled: dict[str, tuple[str, dict[str, Any], list[str] | None]] = {}

    def execute(
        self,
        connection: Connection,
        parameters: Parameters | Sequence[Parameters],
    ) -> CursorResult[Any]:
        """Execute the statement, once, or once for each of several parameters."""
        sql, constants, names = self._compiled.get(connection.dialect.name) or self._compile(connection.dialect)
        if isinstance(parameters, Mapping):
            return connection.exec_driver_sql(sql, arrange(constants, names, parameters))
        return connection.exec_driver_sql(sql, [arrange(constants, names, item) for item in parameters])

    def _compile(self, dialect: Dialect) -> tuple[str, dict[str, Any], list[str] | None]:
        compiled = self.statement.compile(dialect=dialect)
        constants = {name: value for name, value in compiled.params.items() if value is not None}
        names = list(compiled.positiontup) if compiled.positional else None
        entry = self._compiled[dialect.name] = (str(compiled), constants, names)
        return entry


def arrange(constants: Parameters, names: list[str] | None, parameters: Parameters) -> Any:
    """Return parameters in the order, or under the names, that a driver takes."""
    values = {**constants, **parameters} if constants else parameters
    return values if names is None else tuple([values[name] for name in names])
