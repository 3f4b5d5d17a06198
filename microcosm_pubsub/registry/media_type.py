"""
The media types of classes.
"""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

from microcosm_pubsub.codecs import (
    DEFAULT_MEDIA_TYPE,
    PubSubMessageSchema,
    media_type_of,
)
from microcosm_pubsub.errors import ConfigurationError


#: The media types of classes that cannot, or should not, say it themselves, by `@schema(media_type=...)`.
_DECLARED: WeakKeyDictionary[type, str] = WeakKeyDictionary()


def declare_media_type(cls: type, media_type: str) -> None:
    """Note the media type of a class."""
    _DECLARED[cls] = media_type


def find_declared_media_type(cls: type) -> str | None:
    """Return the media type that was declared for a class, or that it names itself, or None."""
    declared = _DECLARED.get(cls)
    if declared is not None:
        return declared
    named = getattr(cls, "MEDIA_TYPE", None)
    return named if isinstance(named, str) else None


def media_type_for(schema_cls: Any) -> str:
    """
    Return the media type that a schema class names.

    :param schema_cls: any class declared by `@schema(media_type=...)`, any with `MEDIA_TYPE` or `infer_media_type()`,
        or a `PubSubMessageSchema` that overrides `deserialize_media_type`
    :raises ConfigurationError: if it names none
    """
    if isinstance(schema_cls, type) and schema_cls in _DECLARED:
        return _DECLARED[schema_cls]
    if infer := getattr(schema_cls, "infer_media_type", None):
        return str(infer())
    media_type = getattr(schema_cls, "MEDIA_TYPE", None)
    derived = isinstance(schema_cls, type) and issubclass(schema_cls, PubSubMessageSchema)
    if derived and media_type == DEFAULT_MEDIA_TYPE:
        media_type = _derive_media_type(schema_cls)
    if not isinstance(media_type, str) or not media_type:
        raise ConfigurationError(
            f"{describe_name(schema_cls)} names no media type: set MEDIA_TYPE to its text, use "
            "@schema(media_type=...), override deserialize_media_type(), or use the media type's text itself"
        )
    return media_type


def _derive_media_type(schema_cls: type[PubSubMessageSchema]) -> Any:
    try:
        return media_type_of(schema_cls())
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ConfigurationError(
            f"{describe_name(schema_cls)}.deserialize_media_type() must give the schema's media type whatever its "
            f"argument, but raised {type(error).__name__}; set MEDIA_TYPE instead"
        ) from error


def describe_name(obj: Any) -> str:
    return getattr(obj, "__qualname__", None) or type(obj).__qualname__
