"""
The conditions of filter policies: which values of one property they let through.

A condition is parsed once, into a function of the value. Text of users is compared and searched for, and never
becomes part of a regular expression.

https://docs.aws.amazon.com/sns/latest/dg/string-value-matching.html
https://docs.aws.amazon.com/sns/latest/dg/numeric-value-matching.html
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from ipaddress import ip_address, ip_network
from operator import ge, gt, le, lt
from typing import Any


#: Tells whether a value passes: text, a number, a boolean or None.
Test = Callable[[Any], bool]

#: To how many digits after the decimal point numbers are compared.
#: https://docs.aws.amazon.com/sns/latest/dg/subscription-filter-policy-constraints.html
DIGITS = 5


class PolicyError(ValueError):
    """Raised for a filter policy that is wrong, with the reason."""


def parse_condition(condition: Any) -> Test:
    """
    Return the test of a value that a policy lists for a property.

    :raises PolicyError: if it is none
    """
    if isinstance(condition, dict):
        operator, operand = only_item(condition)
        if operator not in OPERATORS:
            raise PolicyError(f"Unrecognized match type {operator}")
        return OPERATORS[operator](operand)
    if isinstance(condition, list):
        raise PolicyError("Match value must be String, number, true, false, or null")
    return lambda value: is_same(value, condition)


def only_item(condition: dict[str, Any]) -> tuple[str, Any]:
    """
    Return the operator of a condition, with its operand.

    :raises PolicyError: if there is not just one
    """
    if len(condition) != 1:
        raise PolicyError("Only one key allowed in match expression")
    return next(iter(condition.items()))


def is_number(value: Any) -> bool:
    """Return whether a value is a number, which a boolean is not."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_same(value: Any, expected: Any) -> bool:
    """Return whether two values are the same, of the same type."""
    if is_number(value) and is_number(expected):
        return bool(round(value, DIGITS) == round(expected, DIGITS))
    return type(value) is type(expected) and bool(value == expected)


def parse_prefix(operand: Any) -> Test:
    """Return the test of text that begins so."""
    prefix = _require_text("prefix", operand)
    return lambda value: isinstance(value, str) and value.startswith(prefix)


def parse_suffix(operand: Any) -> Test:
    """Return the test of text that ends so."""
    suffix = _require_text("suffix", operand)
    return lambda value: isinstance(value, str) and value.endswith(suffix)


def parse_ignore_case(operand: Any) -> Test:
    """Return the test of text that is the same but for upper and lower case."""
    folded = _require_text("equals-ignore-case", operand).casefold()
    return lambda value: isinstance(value, str) and value.casefold() == folded


def parse_wildcard(operand: Any) -> Test:
    """Return the test of text in which each `*` of a pattern stands for any text; `\\*` is an asterisk."""
    first, *middle = _split_wildcard(_require_text("wildcard", operand))
    if not middle:
        return lambda value: bool(value == first)
    *middle, last = middle
    return lambda value: isinstance(value, str) and _has_parts(value, first, middle, last)


def _split_wildcard(pattern: str) -> list[str]:
    parts = [""]
    characters = iter(pattern)
    for character in characters:
        if character == "*":
            if len(parts) > 1 and not parts[-1]:
                raise PolicyError("Consecutive wildcard characters are not allowed")
            parts.append("")
        elif character == "\\":
            escaped = next(characters, "")
            if escaped not in ("*", "\\") or not escaped:
                raise PolicyError("Invalid escape character in wildcard pattern")
            parts[-1] += escaped
        else:
            parts[-1] += character
    return parts


def _has_parts(value: str, first: str, middle: Sequence[str], last: str) -> bool:
    """Return whether text begins and ends so, with parts in between, in order and apart."""
    end = len(value) - len(last)
    if end < len(first) or not value.startswith(first) or not value.endswith(last):
        return False
    position = len(first)
    for part in middle:
        found = value.find(part, position, end)
        if found < 0:
            return False
        position = found + len(part)
    return True


def parse_cidr(operand: Any) -> Test:
    """Return the test of an IP address that is in a network."""
    text = _require_text("cidr", operand)
    if text.count("/") != 1:
        raise PolicyError("Malformed CIDR, one '/' required")
    try:
        network = ip_network(text, strict=False)
    except ValueError:
        raise PolicyError(f"Malformed CIDR: {text}") from None

    def is_inside(value: Any) -> bool:
        try:
            return isinstance(value, str) and ip_address(value) in network
        except ValueError:
            return False

    return is_inside


COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {"=": is_same, "<": lt, "<=": le, ">": gt, ">=": ge}


def parse_numeric(operand: Any) -> Test:
    """Return the test of a number that equals another, is above or below one, or is between two."""
    terms = list(operand) if isinstance(operand, list) else []
    if not terms or not isinstance(terms[0], str):
        raise PolicyError("Invalid member in numeric match: a comparison must come first")
    if terms[0] not in COMPARISONS:
        raise PolicyError(f"Unrecognized numeric range operator: {terms[0]}")
    bounds = [_parse_bound(terms[:2])]
    if len(terms) > 2:
        bounds.append(_parse_upper_bound(terms))
    return lambda value: is_number(value) and all(compare(round(value, DIGITS), bound) for compare, bound in bounds)


def _parse_bound(terms: Sequence[Any]) -> tuple[Callable[[Any, Any], bool], Any]:
    if len(terms) < 2 or not is_number(terms[1]):
        raise PolicyError(f"Value of {'equals' if terms[0] == '=' else terms[0]} must be numeric")
    return COMPARISONS[terms[0]], round(terms[1], DIGITS)


def _parse_upper_bound(terms: Sequence[Any]) -> tuple[Callable[[Any, Any], bool], Any]:
    if terms[0] not in (">", ">="):
        raise PolicyError("Too many elements in numeric expression")
    if terms[2] not in ("<", "<="):
        raise PolicyError(f"Bad numeric range operator: {terms[2]}")
    bound = _parse_bound(terms[2:4])
    if terms[1] >= terms[3]:
        raise PolicyError("Bottom must be less than top")
    if len(terms) > 4:
        raise PolicyError("Too many terms in numeric range expression")
    return bound


def parse_anything_but(operand: Any) -> Test:
    """Return the test of a value that is none of some, or for which none of some tests is true."""
    if isinstance(operand, dict):
        operator, inner = only_item(operand)
        if operator not in NEGATED:
            raise PolicyError(f"Unsupported anything-but pattern: {operator}")
        tests = [NEGATED[operator](item) for item in (inner if isinstance(inner, list) and inner else [inner])]
    else:
        items = operand if isinstance(operand, list) else [operand]
        if not items or not all(isinstance(item, str) or is_number(item) for item in items):
            raise PolicyError("Value of anything-but must be a string, a number, or an array of them")
        tests = [parse_condition(item) for item in items]
    return lambda value: not any(test(value) for test in tests)


def _require_text(operator: str, operand: Any) -> str:
    if not isinstance(operand, str):
        raise PolicyError(f"{operator} match pattern must be a string")
    return operand


#: The conditions that `anything-but` can turn into their contrary.
NEGATED: dict[str, Callable[[Any], Test]] = {
    "equals-ignore-case": parse_ignore_case,
    "prefix": parse_prefix,
    "suffix": parse_suffix,
    "wildcard": parse_wildcard,
}

OPERATORS: dict[str, Callable[[Any], Test]] = {
    **NEGATED,
    "anything-but": parse_anything_but,
    "cidr": parse_cidr,
    "numeric": parse_numeric,
}
