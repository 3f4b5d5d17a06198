"""
Values as JSON, by what they are: where no annotation says it.
"""

from __future__ import annotations

from math import isfinite
from typing import Any

from microcosm_pubsub.errors import ConfigurationError
from microcosm_pubsub.payloads.annotation import SchemaMaker


PLAIN = (str, int, bool, type(None))


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
        if strange := next((key for key in value if type(key) is not str), None):
            raise TypeError(f"the key {strange!r} is no text")
        return {key: to_plain(each) for key, each in value.items()}
    if kind is object:
        raise TypeError("it says nothing of itself")
    try:
        field = SchemaMaker().make_field(kind)
    except ConfigurationError as error:
        raise TypeError(str(error)) from None
    return field.serialize("value", {"value": value})
