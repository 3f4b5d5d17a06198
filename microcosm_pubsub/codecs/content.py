"""
The protocol of codecs: content to a message's text and back, whatever class stands for the content.

`PubSubMessageCodec` does so by a marshmallow schema, and gives dicts. Others give instances of the class that a handler
asks for; `pubsub_content_codecs` lists what makes them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar, Protocol, TypeAlias


class ContentCodec(Protocol):
    """Encode and decode the messages of one media type."""

    @property
    def cls(self) -> type | None:
        """Return the class of their content; None if it is a dict."""
        ...

    def encode(self, dct: Mapping[str, Any] | None = None, **kwargs: Any) -> str:
        """
        Return a message's JSON text.

        :param dct: the content, and under `media_type` and `opaque_data` what else the text says
        :param kwargs: more of it, which wins
        :raises MessageValidationError: if the content does not fit
        """
        ...

    def decode(self, message: Any) -> Any:
        """
        Return the content of a message.

        :param message: its JSON text, or the object that was read from it
        :raises MessageValidationError: if it does not fit
        """
        ...

    def to_mapping(self, content: Any) -> dict[str, Any]:
        """
        Return content as `encode` takes it.

        :raises MessageValidationError: if it is no content of these messages
        """
        ...

    def has_field(self, name: str) -> bool:
        """Return whether content has a field of a name, by which `encode` takes it."""
        ...


#: Returns the codec of a class and a media type, or None if the class is not of its kind.
CodecFactory: TypeAlias = Callable[[type, str], ContentCodec | None]


class DataclassPayload(Protocol):
    """An instance of a dataclass."""

    __dataclass_fields__: ClassVar[dict[str, Any]]


class PydanticPayload(Protocol):
    """An instance of a pydantic model."""

    __pydantic_fields_set__: set[str]


class StructPayload(Protocol):
    """An instance of a msgspec Struct."""

    __struct_fields__: ClassVar[tuple[str, ...]]


#: Content that is not a mapping, but an instance of a class that a codec knows.
Payload: TypeAlias = DataclassPayload | PydanticPayload | StructPayload


def read_fields(content: Any) -> dict[str, Any]:
    """Return the fields of an instance, by their names in the code, as they are."""
    cls = type(content)
    names: Iterable[str] = (
        getattr(cls, "__pydantic_fields__", None)
        or getattr(cls, "__struct_fields__", None)
        or getattr(cls, "__dataclass_fields__", None)
        or ()
    )
    return {name: getattr(content, name) for name in names}


def make_codec(factories: Sequence[CodecFactory], cls: type, media_type: str) -> ContentCodec | None:
    """Return the codec of a class, or None if none of the factories knows its kind."""
    return next((codec for factory in factories if (codec := factory(cls, media_type)) is not None), None)
