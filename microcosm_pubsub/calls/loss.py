"""
What an argument would lose on its way: JSON says less than Python does.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from marshmallow import fields

from microcosm_pubsub.errors import article
from microcosm_pubsub.payloads.field import AnyOf


def describe_loss(field: Any, value: Any, dumped: Any) -> str | None:
    """Return how an argument would be changed on its way, if it would be."""
    if isinstance(value, (str, int, float)) and isinstance(dumped, (int, float)) and dumped != value:
        return f"{value!r:.50}, which would be sent as {dumped!r}"
    if type(field) is fields.Date and isinstance(value, datetime):
        return f"{article(value)}, which would be sent as a date: give it one, or annotate it as a datetime"
    if isinstance(field, AnyOf) and (chosen := field.choose(value)) is not None:
        arrived = field.deserialize(dumped)
        if field.choose(arrived) is not chosen:
            return f"{article(value)} that would arrive as {article(arrived)}, which its annotation allows too"
    return None


def iter_keys(value: Any) -> Iterator[Any]:
    """Iterate over the keys within a value that are no texts."""
    if isinstance(value, dict):
        yield from (key for key in value if not isinstance(key, str))
    if isinstance(value, (dict, list, tuple)):
        for each in value.values() if isinstance(value, dict) else value:
            yield from iter_keys(each)
