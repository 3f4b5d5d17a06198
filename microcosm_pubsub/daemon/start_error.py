"""
The description, in one line, of an error that keeps a daemon from starting.
"""

from __future__ import annotations

from microcosm.errors import (
    AlreadyBoundError,
    CyclicGraphError,
    LockedGraphError,
    NotBoundError,
    ValidationError,
)

from microcosm_pubsub.errors import PubSubError


#: The errors of microcosm when a graph cannot be made.
GRAPH_ERRORS = (AlreadyBoundError, CyclicGraphError, LockedGraphError, NotBoundError, ValidationError)


def describe(error: Exception) -> str:
    """Return the meaning of a failed start, in one line."""
    if isinstance(error, NotBoundError):
        return f"component {error} is not bound: correct the daemon's components, or import what binds it"
    return str(error) if isinstance(error, PubSubError) else f"{type(error).__name__}: {error}"
