"""
Filter policies: which of a topic's messages a subscription wants.

A policy is parsed once, into a tree, and matched against a mapping: the message's attributes, or its body. The value
under a key may be a list, of which one element has to match.

https://docs.aws.amazon.com/sns/latest/dg/sns-subscription-filter-policies.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from json import loads
from typing import Any, NoReturn, Protocol

from microcosm_pubsub.broker.sns.filter_condition import OPERATORS, PolicyError, Test, only_item, parse_condition


#: https://docs.aws.amazon.com/sns/latest/dg/subscription-filter-policy-constraints.html
MAX_KEYS = 5
MAX_COMBINATIONS = 150
MAX_BYTES = 256 * 1024

RESERVED = {*OPERATORS, "exists"}


class Matcher(Protocol):
    """Part of a policy."""

    def matches(self, node: Any) -> bool:
        """Return whether a mapping matches."""


@dataclass(frozen=True, slots=True)
class AllOf:
    """Match content that matches every part."""

    parts: tuple[Matcher, ...]

    def matches(self, node: Any) -> bool:
        """Return whether a mapping matches."""
        return all(part.matches(node) for part in self.parts)


@dataclass(frozen=True, slots=True)
class AnyOf:
    """Match content that matches one of the parts: `$or`."""

    parts: tuple[Matcher, ...]

    def matches(self, node: Any) -> bool:
        """Return whether a mapping matches."""
        return any(part.matches(node) for part in self.parts)


@dataclass(frozen=True, slots=True)
class Within:
    """Match a mapping that holds, under a key, one that matches; an absent one is matched as an empty one."""

    key: str
    inner: Matcher

    def matches(self, node: Any) -> bool:
        """Return whether a mapping matches."""
        found = [value for value in find_values(node, self.key) if isinstance(value, dict)]
        return any(self.inner.matches(value) for value in found or [{}])


@dataclass(frozen=True, slots=True)
class Property:
    """
    Match a mapping by the values under a key.

    :param tests: of which one has to be true for one of the values
    :param may_lack: whether a mapping without values matches
    """

    key: str
    tests: tuple[Test, ...]
    may_lack: bool

    def matches(self, node: Any) -> bool:
        """Return whether a mapping matches."""
        values = [value for value in find_values(node, self.key) if not isinstance(value, dict)]
        if not values:
            return self.may_lack
        return any(test(value) for value in values for test in self.tests)


def find_values(node: Any, key: str) -> Iterator[Any]:
    """
    Yield the value that a mapping holds under a key, lists element by element.

    A dot in the key may also lead into a mapping within.
    """
    if not isinstance(node, dict):
        return
    if key in node:
        yield from _flatten(node[key])
    position = key.find(".")
    while position >= 0:
        for inner in _flatten(node.get(key[:position])):
            yield from find_values(inner, key[position + 1 :])
        position = key.find(".", position + 1)


def _flatten(value: Any) -> Iterator[Any]:
    if isinstance(value, list):
        for item in value:
            yield from _flatten(item)
    else:
        yield value


@lru_cache(maxsize=1024)
def parse_policy(text: str, nested: bool) -> Matcher:
    """
    Return the policy that JSON says.

    :param nested: whether properties may be nested, as they are for bodies
    :raises PolicyError: if SNS would refuse it
    """
    if len(text.encode()) > MAX_BYTES:
        raise PolicyError("Filter policy is too long")
    try:
        policy = loads(text, parse_constant=_refuse_constant)
        if not isinstance(policy, dict):
            raise PolicyError("Filter policy must be a JSON object")
        if len(policy) > MAX_KEYS:
            raise PolicyError(f"Filter policy can not have more than {MAX_KEYS} keys")
        matcher, combinations = _parse_object(policy, nested, depth=1)
    except PolicyError:
        raise
    except (ValueError, RecursionError):
        raise PolicyError("failed to parse JSON.") from None
    if combinations > MAX_COMBINATIONS:
        raise PolicyError("Filter policy is too complex")
    return matcher


def _refuse_constant(name: str) -> NoReturn:
    raise PolicyError(f"failed to parse JSON. Unexpected {name}")


def _parse_object(policy: Mapping[str, Any], nested: bool, depth: int) -> tuple[Matcher, int]:
    """Return a matcher, with how many combinations of values it has."""
    parts: list[Matcher] = []
    combinations = 1
    for key, value in policy.items():
        part, count = _parse_property(key, value, nested, depth)
        parts.append(part)
        combinations *= count
    return AllOf(tuple(parts)), combinations


def _parse_property(key: str, value: Any, nested: bool, depth: int) -> tuple[Matcher, int]:
    if isinstance(value, dict):
        if not nested:
            raise PolicyError("Filter policy scope MessageAttributes does not support nested filter policy")
        if not value:
            raise PolicyError("Empty objects are not allowed")
        inner, count = _parse_object(value, nested, depth + 1)
        return Within(key, inner), count
    if not isinstance(value, list):
        raise PolicyError(f'"{key}" must be an object or an array')
    if not value:
        raise PolicyError("Empty arrays are not allowed")
    if key == "$or" and _is_or(value):
        alternatives = [_parse_object(alternative, nested, depth) for alternative in value]
        return AnyOf(tuple(matcher for matcher, _ in alternatives)), sum(count for _, count in alternatives)
    tests = tuple(test for item in value if (test := _parse_test(item)) is not None)
    return Property(key, tests, may_lack=len(tests) < len(value)), len(value) * depth


def _is_or(value: list[Any]) -> bool:
    """
    Return whether `$or` is the operator; otherwise it is the name of a property.

    https://docs.aws.amazon.com/sns/latest/dg/and-or-logic.html#or-operator
    """
    return len(value) > 1 and all(isinstance(item, dict) and item and not RESERVED & item.keys() for item in value)


def _parse_test(condition: Any) -> Test | None:
    """
    Return the test of a condition; None if it asks for a property that is not there.

    https://docs.aws.amazon.com/sns/latest/dg/attribute-key-matching.html
    """
    if not isinstance(condition, dict) or "exists" not in condition:
        return parse_condition(condition)
    _, operand = only_item(condition)
    if not isinstance(operand, bool):
        raise PolicyError("exists match pattern must be either true or false.")
    return is_given if operand else None


def is_given(value: Any) -> bool:
    """Return whether there is a value."""
    return value is not None and value != ""
