"""
Tables that people are shown.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from os import environ

from rich.console import Console
from rich.table import Table


#: Lines are this long where there is no terminal.
DEFAULT_WIDTH = 160


def print_table(table: Table) -> None:
    """Print a table on stdout."""
    wide = not sys.stdout.isatty() and "COLUMNS" not in environ
    Console(width=DEFAULT_WIDTH if wide else None, highlight=False).print(table)


def make_table(*columns: str, numbers: Iterable[str] = ()) -> Table:
    """Return an empty table; the columns of numbers are set to the right."""
    table = Table()
    for column in columns:
        table.add_column(column, justify="right" if column in numbers else "left", overflow="fold")
    return table
