"""
Fields that are only read or only written, in nested schemas too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from marshmallow import Schema, fields


def iter_load_only(schema: Schema, seen: tuple[type[Schema], ...] = ()) -> Iterator[str]:
    """Iterate over the names of the fields that are only read, in nested schemas too, with dots between."""
    for name, field in schema.load_fields.items():
        if field.load_only:
            yield name
        field = field.inner if isinstance(field, fields.List) else field
        # A schema may nest itself.
        if isinstance(field, fields.Nested) and type(field.schema) not in seen:
            yield from (f"{name}.{inner}" for inner in iter_load_only(field.schema, (*seen, type(schema))))


def without_dump_only(schema: Schema, dumped: Any) -> Any:
    """Return dumped data without the fields that cannot be loaded, in nested schemas too."""
    if isinstance(dumped, list):
        return [without_dump_only(schema, item) for item in dumped]
    if not isinstance(dumped, Mapping):
        return dumped
    result = dict(dumped)
    for name, field in schema.dump_fields.items():
        key = field.data_key if field.data_key is not None else name
        if field.dump_only:
            result.pop(key, None)
        elif result.get(key) is not None:
            result[key] = _field_without_dump_only(field, result[key])
    return result


def _field_without_dump_only(field: Any, value: Any) -> Any:
    match field:
        case fields.Pluck():
            return value
        case fields.Nested():
            return without_dump_only(field.schema, value)
        case fields.List():
            return [_field_without_dump_only(field.inner, item) for item in value]
        case fields.Dict() if field.value_field is not None:
            return {key: _field_without_dump_only(field.value_field, item) for key, item in value.items()}
        case _:
            return value
