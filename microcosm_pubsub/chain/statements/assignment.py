"""
Statements that add a key to the context: `assign`, `assign_constant`, `assign_function`, `extract`.

A path is a key of the context, followed by names of attributes or of keys, with dots between them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from microcosm_pubsub.chain.context import SafeContext
from microcosm_pubsub.chain.context_decorators import Step, compile_link, look_up
from microcosm_pubsub.chain.exceptions import AttributeNotFound


@dataclass(frozen=True, slots=True)
class Assignment:
    """Add a value to the context, and return it."""

    value: Step
    key: str

    def __call__(self, context: SafeContext) -> Any:
        value = self.value(context)
        context.assign(self.key, value)
        return value


@dataclass(frozen=True, slots=True)
class Assign:
    """Wait to be told to which key a value is assigned."""

    value: Step

    def to(self, key: str) -> Assignment:
        """Assign the value to a key."""
        return Assignment(self.value, key)


def assign(path: str) -> Assign:
    """
    Assign what a path leads to: `assign("message.uri").to("uri")`.

    :raises ContextKeyNotFound: when it runs, if the context does not hold the first part of the path
    :raises AttributeNotFound: when it runs, if another part of it is missing
    """
    return Assign(follow(path))


def assign_constant(value: Any) -> Assign:
    """Assign a constant: `assign_constant(1).to("count")`."""
    return Assign(lambda context: value)


def assign_function(function: Callable[..., Any]) -> Assign:
    """Assign what a function returns, its arguments being those of a link."""
    return Assign(compile_link(function, names=()))


def extract(name: str, key: str, key_property: str | None = None) -> Assignment:
    """
    Assign a property of what a key holds, or what it holds itself: `extract("id", "customer", "id")`.

    :param name: the new key
    :param key: the key, or the path, to take it from
    :param key_property: the attribute or key to take
    """
    return assign(key if key_property is None else f"{key}.{key_property}").to(name)


def follow(path: str) -> Step:
    """Make a function that follows a path from a context."""
    first, *names = path.split(".")
    find = look_up(first, f"assign({path!r})")

    def following(context: SafeContext) -> Any:
        value = find(context)
        for name in names:
            value = _step_into(value, name, path)
        return value

    return following


def _step_into(value: Any, name: str, path: str) -> Any:
    if isinstance(value, Mapping):
        if name in value:
            return value[name]
        if hasattr(dict, name):
            # Never a method of all mappings, such as `items`, for a key that is missing.
            raise AttributeNotFound(path, name, type(value).__name__)
    try:
        return getattr(value, name)
    except AttributeError as error:
        raise AttributeNotFound(path, name, type(value).__name__) from error
