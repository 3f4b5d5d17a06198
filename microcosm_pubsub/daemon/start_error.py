"""
The description, in one line, of an error that keeps a daemon from starting.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from microcosm.errors import (
    AlreadyBoundError,
    CyclicGraphError,
    LockedGraphError,
    NotBoundError,
    ValidationError,
)

from microcosm_pubsub.errors import ConfigurationError, PubSubError


#: The errors of microcosm when a graph cannot be made.
GRAPH_ERRORS = (AlreadyBoundError, CyclicGraphError, LockedGraphError, NotBoundError, ValidationError)


#: An error of `logging.config` begins so; its cause says what is wrong.
LOG_ERROR = "Unable to configure"


@contextmanager
def telling_of_the_log() -> Iterator[None]:
    """
    Make a graph within the block.

    :raises ConfigurationError: if its log cannot be configured as it says
    """
    try:
        yield
    except ValueError as error:
        if not str(error).startswith(LOG_ERROR):
            raise
        reason = error.__cause__ or error
        raise ConfigurationError(f"The log cannot be configured: {reason}; see the keys of logging") from error


def describe(error: Exception) -> str:
    """Return the meaning of a failed start, in one line."""
    if isinstance(error, NotBoundError):
        return f"component {error} is not bound: correct the daemon's components, or import what binds it"
    return str(error) if isinstance(error, PubSubError) else f"{type(error).__name__}: {error}"
