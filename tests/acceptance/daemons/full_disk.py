"""
Run a daemon whose database has no room any more as soon as a certain file is there.
"""

import os
import sqlite3
import sys
from runpy import run_path


class FullConnection(sqlite3.Connection):
    """A connection whose transactions fail as on a full disk."""

    def execute(self, statement, *parameters):
        if statement == "BEGIN IMMEDIATE" and os.path.exists(os.environ["DISK_IS_FULL"]):
            raise sqlite3.OperationalError("database or disk is full")
        return super().execute(statement, *parameters)


if __name__ == "__main__":
    connect = sqlite3.dbapi2.connect
    sqlite3.dbapi2.connect = lambda *args, **kwargs: connect(*args, **{**kwargs, "factory": FullConnection})
    sys.argv = sys.argv[1:]
    run_path(sys.argv[0], run_name="__main__")
