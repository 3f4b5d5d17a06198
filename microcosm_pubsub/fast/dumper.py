"""
Dump content by its schema, as marshmallow does, without what few schemas need.

Each field finds its value by several functions, and most of them return it as it is. Where the schema has no hooks and
no ways of its own, a value of the type that its field expects is taken; its field is asked for any other.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from marshmallow import Schema, fields, missing

from microcosm_pubsub.fast.quick import KNOWN_ATTRIBUTES


#: The key to read and the key to write, the one type that comes out as it came in, whether the value may be missing,
#: and the name of the field, with what asks it.
Step = tuple[str, str, type | None, bool, str, Callable[..., Any]]

#: Methods that take part in dumping: a schema that has its own of any is dumped by marshmallow.
DUMPING = frozenset({"_invoke_dump_processors", "_serialize", "dump", "get_attribute"})

#: Fields that write a value of exactly this type as it is; one that takes anything is most often given a dict.
AS_IS: dict[type, type] = {
    fields.String: str,
    fields.Integer: int,
    fields.Float: float,
    fields.Boolean: bool,
    fields.Raw: dict,
}

#: marshmallow looks for what a dict does not hold among the dict's own attributes.
NAMES_OF_DICTS = frozenset(dir(dict))

PLAIN_FIELD = (fields.Field.serialize, fields.Field.get_value)


class Dumper:
    """
    Dump a dict as `schema.dump(content)` does.

    :param schema: a schema instance; fields that it gains, loses or exchanges later are noticed
    """

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self._fields: dict[str, Any] | None = None
        self._steps: tuple[Step, ...] | None = None

    def dump(self, content: dict[str, Any]) -> Any:
        """
        Return what the schema writes of content.

        :raises Exception: what `schema.dump` raises
        """
        schema = self.schema
        if schema.dump_fields != self._fields:
            self._compile()
        if self._steps is None:
            return schema.dump(content)
        written = {}
        for read, write, as_is, is_optional, name, ask in self._steps:
            value = content.get(read, missing)
            if type(value) is not as_is:
                if is_optional and value is missing:
                    continue
                value = ask(name, content, accessor=schema.get_attribute)
                if value is missing:
                    continue
            written[write] = value
        return written

    def _compile(self) -> None:
        # Threads that get here at once all write the same; the fields come last, since they say that the rest is there.
        schema = self.schema
        self._steps = make_steps(schema) if is_plain(schema) else None
        self._fields = dict(schema.dump_fields)


def is_plain(schema: Schema) -> bool:
    """Return whether dumping by a schema is nothing more than asking its fields."""
    classes = [cls for cls in type(schema).__mro__ if cls not in Schema.__mro__]
    return (
        all(DUMPING.isdisjoint(vars(holder)) for holder in (schema, *classes))
        and not any(schema._hooks.values())
        and not schema.many
        and schema.dict_class is dict
    )


def make_steps(schema: Schema) -> tuple[Step, ...]:
    """Return the steps of dumping by a plain schema."""
    return tuple(
        (
            name if field.attribute is None else field.attribute,
            name if field.data_key is None else field.data_key,
            find_type_as_is(field, name),
            is_optional(field, name),
            name,
            field.serialize,
        )
        for name, field in schema.dump_fields.items()
    )


def find_type_as_is(field: Any, name: str) -> type | None:
    """Return the type whose values a field writes as they are, if there is one."""
    is_known = vars(field).keys() <= KNOWN_ATTRIBUTES and is_found_plainly(field, name)
    return AS_IS.get(type(field)) if is_known and not getattr(field, "as_string", False) else None


def is_optional(field: Any, name: str) -> bool:
    """Return whether a field writes nothing for a value that is missing."""
    return is_found_plainly(field, name) and field._CHECK_ATTRIBUTE and field.dump_default is missing


def is_found_plainly(field: Any, name: str) -> bool:
    """Return whether a field takes its value out of a dict by its name."""
    key = name if field.attribute is None else field.attribute
    cls = type(field)
    return (
        isinstance(key, str)
        and "." not in key
        and key not in NAMES_OF_DICTS
        and "serialize" not in vars(field)
        and "get_value" not in vars(field)
        and (cls.serialize, cls.get_value) == PLAIN_FIELD
    )
