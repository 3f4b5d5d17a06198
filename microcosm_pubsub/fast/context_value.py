"""
A value of a context variable for the time of a block.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar, Token
from types import TracebackType
from typing import Any, Generic, TypeVar

from microcosm_pubsub.fast import PLAIN


T = TypeVar("T")


class ContextValue(Generic[T]):
    """
    Give a context variable a value while the block runs.

    One is entered several times for each message: a generator made into a context manager costs three times as much.
    """

    __slots__ = ("_token", "_value", "_variable")

    def __init__(self, variable: ContextVar[T], value: T) -> None:
        self._variable = variable
        self._value = value
        self._token: Token[T] | None = None

    def __enter__(self) -> None:
        self._token = self._variable.set(self._value)

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._token is not None
        self._variable.reset(self._token)


@contextmanager
def set_value(variable: ContextVar[T], value: T) -> Iterator[None]:
    """Give a context variable a value while the block runs, plainly."""
    token = variable.set(value)
    try:
        yield
    finally:
        variable.reset(token)


#: Gives a context variable a value while the block runs: `with with_value(variable, value):`.
with_value: Callable[[ContextVar[Any], Any], AbstractContextManager[None]] = set_value if PLAIN else ContextValue
