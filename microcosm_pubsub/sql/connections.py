"""
Connections of a database, for what we do there ourselves: to write, to write by one statement, and to read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from microcosm_pubsub.sql.engine import READING
from microcosm_pubsub.sql.passing import describe
from microcosm_pubsub.sql.patient_calls import PatientCalls
from microcosm_pubsub.sql.turns import NO_TURNS, Turns
from microcosm_pubsub.sql.url import DatabaseURL


class Connections:
    """
    Give connections.

    :param engine: reaches the database
    :param url: its URL; None if the engine is somebody else's
    :param wait_seconds: how long a server that cannot be reached is waited for
    :param clock: a monotonic clock, in seconds
    :param pause: waits for some seconds
    """

    def __init__(
        self,
        engine: Engine,
        url: DatabaseURL | None,
        wait_seconds: float,
        clock: Callable[[], float],
        pause: Callable[[float], None],
    ) -> None:
        self.engine = engine
        self.url = url
        self.is_sqlite = engine.dialect.name == "sqlite"
        self.is_memory = url is not None and url.is_memory
        # These are other ways to use the same pool.
        self._reading = engine.execution_options(**READING)
        self._autocommit = engine if self.is_sqlite else engine.execution_options(isolation_level="AUTOCOMMIT")
        self._calls = PatientCalls(str(self), 0.0 if self.is_sqlite else wait_seconds, clock, pause)
        self._turns = Turns(str(self)) if self.is_sqlite else NO_TURNS

    def __str__(self) -> str:
        return self.engine.url.render_as_string(hide_password=True)

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        """
        Give a connection with a short transaction of ours, which is committed at a clean end of the block.

        :raises TransactionError: if the database cannot be reached, or does not take it
        """
        with self._turns.take(), self._describing(), self.engine.begin() as connection:
            yield connection

    @contextmanager
    def autocommitting(self) -> Iterator[Connection]:
        """
        Give a connection on which each statement is a transaction of its own, without a call for its begin and its end.

        A server that cannot be reached is waited for.

        :raises TransactionError: if it cannot be reached by then, or does not take it
        """
        if self.is_sqlite:
            # A file has no calls that could be saved.
            with self.connect() as connection:
                yield connection
            return
        with self._describing(), self._calls.call(self._autocommit.connect) as connection:
            yield connection

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """
        Give a connection to read by, which does not wait for writers.

        :raises TransactionError: if the database cannot be reached
        """
        if self.is_memory:
            # It has one connection, which a writer may have.
            with self.connect() as connection:
                yield connection
            return
        engine = self._reading if self.is_sqlite else self._autocommit
        with self._describing(), engine.begin() as connection:
            yield connection

    @contextmanager
    def _describing(self) -> Iterator[None]:
        """Say what an error of the block means for the operator."""
        try:
            yield
        except (DBAPIError, PoolTimeoutError) as error:
            raise describe(str(self), error) from error
