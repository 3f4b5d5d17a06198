"""
Statements that add a key to the context: `assign`, `assign_constant`, `assign_function`, `extract`.

A path is a key of the context, followed by names with dots between them: each is an attribute of what stands before
it, or else a key.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from microcosm_pubsub.chain.exceptions import AttributeNotFound
from microcosm_pubsub.chain.link import Context, Statement, Step, compile_link, describe, look_up


class Reference:
    """
    Give the value that a path leads to.

    :param name: the path, such as `message.uri`
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.key, *self.parts = name.split(".")
        self._find = look_up(self.key, f"assign({name!r})")

    def __call__(self, context: Context) -> Any:
        """
        Follow the path.

        :raises ContextKeyNotFound: if the context does not hold its first part
        :raises AttributeNotFound: if another part of it is missing
        """
        value = self._find(context)
        for index, part in enumerate(self.parts):
            try:
                value = getattr(value, part)
            except AttributeError as error:
                if not isinstance(value, Mapping) or part not in value:
                    reached = ".".join([self.key, *self.parts[:index]])
                    raise AttributeNotFound(reached, part, type(value).__name__) from error
                value = value[part]
        return value

    def __repr__(self) -> str:
        return f"Reference({self.name!r})"


@dataclass(frozen=True, slots=True)
class Constant:
    """Give a constant value."""

    value: Any

    def __call__(self, context: Context) -> Any:
        return self.value


class Function:
    """Give the value of a function, whose arguments are those of a link."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self._step = compile_link(function, names=())

    def __call__(self, context: Context) -> Any:
        return self._step(context)

    def __repr__(self) -> str:
        return f"Function({describe(self.function)})"


@dataclass(frozen=True, slots=True)
class AssignStatement(Statement):
    """
    Add a value to the context, and return it.

    :param this: gives the value
    :param that: the key; None until `to` tells it
    """

    this: Step
    that: str | None = None

    def to(self, that: str) -> AssignStatement:
        """Assign the value to a key."""
        return replace(self, that=that)

    @property
    def is_complete(self) -> bool:
        """Return whether it is known to which key the value is assigned."""
        return self.that is not None

    def __call__(self, context: Context) -> Any:
        assert self.that is not None
        value = self.this(context)
        context[self.that] = value
        return value


def assign(path: str) -> AssignStatement:
    """
    Assign the value that a path leads to: `assign("message.uri").to("uri")`.

    :raises ContextKeyNotFound: when it runs, if the context does not hold the first part of the path
    :raises AttributeNotFound: when it runs, if another part of it is missing
    """
    return AssignStatement(Reference(path))


def assign_constant(value: Any) -> AssignStatement:
    """Assign a constant: `assign_constant(1).to("count")`."""
    return AssignStatement(Constant(value))


def assign_function(function: Callable[..., Any]) -> AssignStatement:
    """Assign the value of a function, whose arguments are those of a link."""
    return AssignStatement(Function(function))


def extract(name: str, key: str, key_property: str | None = None) -> AssignStatement:
    """
    Assign a property of a key's value, or the value itself: `extract("id", "customer", "id")`.

    :param name: the new key
    :param key: the key, or the path, to take it from
    :param key_property: the attribute or key to take
    """
    return assign(key if key_property is None else f"{key}.{key_property}").to(name)
