"""
Values as JSON, by what they are: where no annotation says it.
"""

from __future__ import annotations

from enum import Enum
from math import isfinite
from typing import Any

from microcosm_pubsub.errors import ConfigurationError
from microcosm_pubsub.payloads.annotation import SchemaMaker


PLAIN = (str, int, bool, type(None))

#: Of these, subclasses are as good: an OrderedDict, or a named tuple.
BASES = (str, int, float, list, tuple, dict)


def to_plain(value: Any) -> Any:
    """
    Return a value as JSON can say it: as an annotation of its class would write it.

    :raises TypeError: if JSON cannot say it
    :raises ValueError: if it is a number that JSON has no name for
    """
    kind = type(value)
    if kind in PLAIN:
        return value
    if kind is float:
        if not isfinite(value):
            raise ValueError(f"JSON has no number {value}")
        return value
    if kind in (list, tuple):
        return [to_plain(each) for each in value]
    if kind is dict:
        return {check_key(key): to_plain(each) for key, each in value.items()}
    if kind is object:
        raise TypeError("it says nothing of itself")
    if (base := find_base(kind)) is not None:
        return to_plain(base(value))
    try:
        field = SchemaMaker().make_field(kind)
    except ConfigurationError as error:
        raise TypeError(str(error)) from None
    return field.serialize("value", {"value": value})


def check_key(key: Any) -> Any:
    """
    Return the key of a dict, which is text.

    :raises TypeError: if it is not
    """
    if not isinstance(key, str):
        raise TypeError(f"the key {key!r} is no text")
    return key


def find_base(kind: type) -> type | None:
    """Return the type that JSON knows, of a subclass; None if it has none, or is an enumeration, which has values."""
    return None if issubclass(kind, Enum) else next((base for base in BASES if issubclass(kind, base)), None)
