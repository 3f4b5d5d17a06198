"""
Fields whose values are read at once, if they are of the type that is expected.

A field asks itself many questions for each value: whether it is missing, may be None, has validators. For most fields
of most schemas the answers are known before: there a look at the value's type is all, and the field is asked of others.
"""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite
from typing import Any

from marshmallow import fields, missing


#: Reads a value as `field.deserialize(value, key, data)` does.
Read = Callable[[Any, Any, Any], Any]

#: Returns what reads the values of a field, given what asks the field itself; None if it is to be asked in any case.
MakeRead = Callable[[Any, Read], Read | None]

#: The attributes that such a field may have; with any other, which later versions may bring, the field itself is asked.
KNOWN_ATTRIBUTES = frozenset(
    {
        "allow_nan",
        "allow_none",
        "as_string",
        "attribute",
        "data_key",
        "dump_default",
        "dump_only",
        "error_messages",
        "load_default",
        "load_only",
        "metadata",
        "name",
        "parent",
        "post_load",
        "pre_load",
        "required",
        "root",
        "strict",
        "validate",
        "validators",
    }
)

#: Attributes of fields that hold others.
HOLDING_ATTRIBUTES = KNOWN_ATTRIBUTES | {"inner", "key_field", "make", "only", "exclude", "value_field"}

#: Fields that return a value of exactly this type as it is; one that takes anything is most often given a dict.
AS_IS: dict[type, type] = {fields.String: str, fields.Integer: int, fields.Raw: dict}


def find_type_as_is(field: Any) -> type | None:
    """Return the type whose values a field returns as they are, if there is one."""
    if asks_more(field):
        return None
    if type(field) is fields.Method:
        # A method of the schema may say so of itself.
        return getattr(getattr(field.parent, str(field.deserialize_method_name), None), "as_is", None)
    if not vars(field).keys() <= KNOWN_ATTRIBUTES:
        return None
    return AS_IS.get(type(field))


def make_read(field: Any) -> Read:
    """Return what reads the values of a field."""
    make = READS.get(type(field))
    if make is None or asks_more(field) or not vars(field).keys() <= HOLDING_ATTRIBUTES:
        return field.deserialize  # type: ignore[no-any-return]
    return make(field, field.deserialize) or field.deserialize


def asks_more(field: Any) -> bool:
    """Return whether a field has more to do with a value than to read it."""
    return bool(field.validators or getattr(field, "pre_load", None) or getattr(field, "post_load", None))


def read_anything(field: Any, ask: Read) -> Read:
    """Return what reads the values of a field that takes any."""
    return lambda value, key, data: ask(value, key, data) if value is None or value is missing else value


def read_dict(field: Any, ask: Read) -> Read | None:
    """Return what reads the values of a field that takes dicts of anything."""
    if field.key_field is not None or field.value_field is not None:
        return None
    return lambda value, key, data: value.copy() if type(value) is dict else ask(value, key, data)


def read_float(field: Any, ask: Read) -> Read:
    """Return what reads the values of a field that takes finite numbers."""
    return lambda value, key, data: value if type(value) is float and isfinite(value) else ask(value, key, data)


def read_list(field: Any, ask: Read) -> Read | None:
    """Return what reads the values of a field that makes something of a list of values, each as it is."""
    kind, make = find_type_as_is(field.inner), getattr(field, "make", list)
    if kind is None or make not in (list, tuple, set, frozenset):
        return None

    def read(value: Any, key: Any, data: Any) -> Any:
        if type(value) is list and set(map(type, value)) <= {kind}:
            return make(value)
        return ask(value, key, data)

    return read


#: How the values of fields of exactly these classes are read; others add their own.
READS: dict[type, MakeRead] = {
    fields.Raw: read_anything,
    fields.Dict: read_dict,
    fields.Float: read_float,
    fields.List: read_list,
}
