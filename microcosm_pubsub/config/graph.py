"""
Helpers for microcosm's graphs, beyond its own functions.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from microcosm import api
from microcosm.errors import LockedGraphError, NotBoundError

from microcosm_pubsub.errors import ConfigurationError
from microcosm_pubsub.graph import PubSubGraph


F = TypeVar("F", bound=Callable[..., Any])


def defaults(**values: Any) -> Callable[[F], F]:
    """Attach default configuration to a factory: `microcosm.api.defaults`, with its types told."""
    decorator: Callable[[F], F] = api.defaults(**values)
    return decorator


def use_parts(graph: PubSubGraph, parts: Iterable[Any], where: str) -> tuple[Any, ...]:
    """
    Return the parts that a list of binding names and of other things stands for: components by name, the others as they
    are.

    :param where: what lists them: a key of configuration, or an option
    :raises ConfigurationError: if a name is not bound
    """
    try:
        return tuple(graph.use(part)[0] if isinstance(part, str) else part for part in parts)
    except NotBoundError as error:
        raise ConfigurationError(
            f"{where}: component {error} is not bound: correct the name, or import the module that binds it"
        ) from error


def find_parts(graph: PubSubGraph, *names: str) -> tuple[Any, ...]:
    """Return the components of these names that there are: parts that stand beside the core, and may be missing."""
    found = (find_component(graph, name) for name in names)
    return tuple(part for part in found if part is not None)


def find_component(graph: PubSubGraph, name: str) -> Any:
    """Return a component of the graph, or None if it is not bound, or too late to be made."""
    try:
        return getattr(graph, name)
    except (LockedGraphError, NotBoundError):
        return None


def find_factories(graph: Any) -> Mapping[str, Callable[..., Any]]:
    """Return the factory of each name that is bound."""
    factories: Mapping[str, Callable[..., Any]] = graph._registry.all
    return factories
