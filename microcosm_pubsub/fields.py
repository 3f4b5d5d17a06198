"""
Marshmallow fields that messages need and marshmallow lacks.
"""

from typing import Any
from uuid import UUID

from marshmallow import ValidationError, fields


class UUIDField(fields.Field):  # type: ignore[type-arg, unused-ignore]
    """
    Accept a UUID or its text, and always give its text.

    :raises marshmallow.ValidationError: if the text is not that of a UUID
    """

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> str | None:
        return None if value is None else _to_text(value)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        return _to_text(value)


def _to_text(value: Any) -> str:
    try:
        return str(value if isinstance(value, UUID) else UUID(value))
    except (AttributeError, TypeError, ValueError):
        raise ValidationError("Not a valid UUID.") from None
