"""
What we ask of an object graph beyond its own methods.
"""

from typing import Any

from microcosm.errors import LockedGraphError, NotBoundError


def find_component(graph: Any, name: str) -> Any:
    """Return a component of the graph, or None if it is not bound, or was not used before the graph was locked."""
    try:
        return graph[name]
    except (LockedGraphError, NotBoundError):
        return None
