"""
Load content by its schema, as marshmallow does, without what few schemas need.

`Schema.load` keeps account of hooks, errors and partial content for each field of each message. Most schemas have no
hooks and most messages fit theirs: there, each field is asked in turn, and that is all. marshmallow loads everything
else, from the beginning, and says what is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from marshmallow import EXCLUDE, Schema, fields, missing

from microcosm_pubsub.fast.quick import find_type_as_is, make_read


#: The key to read and the key to write, the one type that comes out as it came in, whether the value may be missing,
#: and the function that converts others.
Step = tuple[str, str, type | None, bool, Callable[..., Any]]

#: Methods that take part in loading: a schema that has its own of any is loaded by marshmallow.
LOADING = frozenset(
    {
        "_call_and_store",
        "_deserialize",
        "_do_load",
        "_has_processors",
        "_invoke_field_validators",
        "_invoke_load_processors",
        "_invoke_processors",
        "_invoke_schema_validators",
        "_run_validator",
        "load",
    }
)


class Loader:
    """
    Load content as `schema.load(data, unknown=EXCLUDE)` does.

    :param schema: a schema instance; fields that it gains, loses or exchanges later are noticed
    """

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self._fields: dict[str, Any] = {}
        self._partial: Any = None
        self._steps: tuple[Step, ...] | None = None
        self._keys: frozenset[str] = frozenset()

    def load(self, data: Mapping[str, Any]) -> Any:
        """
        Return the content that the schema makes of data.

        :raises Exception: what `schema.load` raises
        """
        schema = self.schema
        if (steps := self._find_steps()) is not None:
            try:
                content = {}
                for key, name, as_is, is_optional, deserialize in steps:
                    value = data.get(key, missing)
                    if type(value) is not as_is:
                        if is_optional and value is missing:
                            continue
                        value = deserialize(value, key, data)
                        if value is missing:
                            continue
                    content[name] = value
                return content
            except Exception:
                # This only saves time: whatever a field raises, marshmallow says in its own way.
                pass
        return schema.load(data, unknown=EXCLUDE)

    def fits(self, data: Mapping[str, Any]) -> bool:
        """
        Return whether the schema surely has nothing to say against data; if not, `schema.validate` is to be asked.

        :param data: what the schema dumped
        """
        steps = self._find_steps()
        if steps is None or not data.keys() <= self._keys or self.schema.validate.__func__ is not Schema.validate:  # type: ignore[attr-defined]
            return False
        try:
            for key, _, as_is, is_optional, deserialize in steps:
                value = data.get(key, missing)
                if type(value) is not as_is and not (is_optional and value is missing):
                    deserialize(value, key, data)
        except Exception:
            # as above
            return False
        return True

    def _find_steps(self) -> tuple[Step, ...] | None:
        schema = self.schema
        if schema.load_fields != self._fields or schema.partial is not self._partial:
            self._compile()
        return self._steps

    def _compile(self) -> None:
        # Threads that get here at once all write the same; the fields come last, since they say that the rest is there.
        schema = self.schema
        self._steps = make_steps(schema) if is_plain(schema) else None
        self._keys = frozenset(step[0] for step in self._steps or ())
        self._partial = schema.partial
        self._fields = dict(schema.load_fields)


def is_plain(schema: Schema) -> bool:
    """Return whether loading by a schema is nothing more than asking its fields."""
    classes = [cls for cls in type(schema).__mro__ if cls not in Schema.__mro__]
    return (
        all(LOADING.isdisjoint(vars(holder)) for holder in (schema, *classes))
        and not any(schema._hooks.values())
        and schema.partial in (None, False)
        and not schema.many
        and schema.dict_class is dict
        # A dot makes a path into content within content.
        and not any("." in (field.attribute or name) for name, field in schema.load_fields.items())
    )


def make_steps(schema: Schema) -> tuple[Step, ...]:
    """Return the steps of loading by a plain schema."""
    # A schema of marshmallow 3 passes this to its fields, and to content nested in them.
    more = {} if schema.partial is None else {"partial": schema.partial}
    return tuple(
        (
            field.data_key if field.data_key is not None else name,
            field.attribute or name,
            find_type_as_is(field),
            is_optional(field),
            partial(field.deserialize, **more) if more else make_read(field),
        )
        for name, field in schema.load_fields.items()
    )


def is_optional(field: Any) -> bool:
    """Return whether a field has nothing to say of a value that is missing."""
    cls = type(field)
    # Marshmallow asks this of a field whose value is missing.
    is_known = cls.deserialize is fields.Field.deserialize and cls._validate_missing is fields.Field._validate_missing
    return is_known and not field.required and field.load_default is missing
