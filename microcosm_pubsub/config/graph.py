"""
What we ask of microcosm beyond its own functions.
"""

from collections.abc import Callable
from typing import Any, TypeVar

from microcosm import api
from microcosm.errors import LockedGraphError, NotBoundError


F = TypeVar("F", bound=Callable[..., Any])


def defaults(**values: Any) -> Callable[[F], F]:
    """Attach default configuration to a factory: `microcosm.api.defaults`, with its types told."""
    decorator: Callable[[F], F] = api.defaults(**values)
    return decorator


def find_component(graph: Any, name: str) -> Any:
    """Return a component of the graph, or None if it is not bound, or too late to be made."""
    try:
        return graph[name]
    except (LockedGraphError, NotBoundError):
        return None
