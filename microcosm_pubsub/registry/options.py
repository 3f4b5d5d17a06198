"""
The options of one handler: the arguments of `@handles` beside the media type.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, TypedDict

from microcosm_pubsub.errors import ConfigurationError
from microcosm_pubsub.retry import RetryPolicy
from microcosm_pubsub.types import Layer


class Options(TypedDict, total=False):
    """The arguments of `@handles` beside the media type: the fields of `HandlerOptions`, by name."""

    timeout_seconds: float | None
    batch_size: int | None
    batch_window_seconds: float
    retry: RetryPolicy | None
    middleware: Sequence[str | Layer]
    transaction: bool
    once: bool


@dataclass(frozen=True, slots=True)
class HandlerOptions:
    """
    The options of one handler.

    :param timeout_seconds: after this long the handler is abandoned, and its message FAILED; None waits for ever
    :param batch_size: the handler takes a list of at most this many contents; None is one content at a time
    :param batch_window_seconds: how long the first message of a batch waits for others
    :param retry: the retry policy; None is the daemon's
    :param middleware: layers around this handler alone, callables or binding names; inside of the daemon's
    :param transaction: the handler runs in a database transaction, which is committed before its message is settled
    :param once: whether a message that was handled in such a transaction before is not handled again
    :raises ConfigurationError: if a value cannot work
    """

    timeout_seconds: float | None = None
    batch_size: int | None = None
    batch_window_seconds: float = 0.0
    retry: RetryPolicy | None = None
    middleware: Sequence[str | Layer] = ()
    transaction: bool = False
    once: bool = False

    def __post_init__(self) -> None:
        if self.timeout_seconds is not None and not _is_number(self.timeout_seconds, above=0):
            raise _refuse("timeout_seconds", self.timeout_seconds, "a number of seconds above 0")
        whole = isinstance(self.batch_size, int) and _is_number(self.batch_size, above=0)
        if self.batch_size is not None and not whole:
            raise _refuse("batch_size", self.batch_size, "a whole number from 1")
        if not (self.batch_window_seconds == 0 or _is_number(self.batch_window_seconds, above=0)):
            raise _refuse("batch_window_seconds", self.batch_window_seconds, "a number of seconds from 0")
        if self.retry is not None and not isinstance(self.retry, RetryPolicy):
            raise _refuse("retry", self.retry, "a RetryPolicy")
        is_list = isinstance(self.middleware, (list, tuple))
        if not is_list or not all(isinstance(layer, str) or callable(layer) for layer in self.middleware):
            raise _refuse("middleware", self.middleware, "a list of callables and binding names")
        for name in ("transaction", "once"):
            if not isinstance(getattr(self, name), bool):
                raise _refuse(name, getattr(self, name), "true or false")
        if self.batch_window_seconds and self.batch_size is None:
            raise ConfigurationError("batch_window_seconds is of use with batch_size alone")

    @classmethod
    def make(cls, options: Mapping[str, Any], told: Sequence[str] = ()) -> HandlerOptions:
        """
        Return the options of these names and values.

        :param told: what an error tells of as options, if it is not these alone
        :raises ConfigurationError: if one is not known, or cannot work
        """
        known = [option.name for option in fields(cls)]
        if unknown := sorted(options.keys() - set(known)):
            raise ConfigurationError(
                f"there is no option {', '.join(unknown)}; the options are {', '.join(told or known)}"
            )
        return cls(**options)


DEFAULT_OPTIONS = HandlerOptions()


def _is_number(value: Any, above: float) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and above < value < float("inf")


def _refuse(name: str, value: Any, expected: str) -> ConfigurationError:
    return ConfigurationError(f"{name} is {value!r}, but must be {expected}")
