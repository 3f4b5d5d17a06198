"""
The common part of the codecs of all kinds of classes: the media type and the opaque data beside the content.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from json import dumps, loads
from typing import Any, Generic, NoReturn, TypeVar

from microcosm_pubsub.errors import ConfigurationError, MessageValidationError, article, with_article


Content = TypeVar("Content")

#: The keys of a message beside its content: by the names of producers, and as they are written.
WIRE_KEYS = {"media_type": "mediaType", "opaque_data": "opaqueData"}

RESERVED = frozenset([*WIRE_KEYS, *WIRE_KEYS.values()])


class TypedCodec(ABC, Generic[Content]):
    """
    Encode and decode the messages of one media type, whose content is an instance of a class.

    :param cls: the class
    :param media_type: is written if the content does not tell another
    :param names: of its fields, in the code and as they are written
    :param minds_others: whether it is not indifferent to what stands beside its fields
    :raises ConfigurationError: if it has a field where a message has its own
    """

    def __init__(self, cls: type[Content], media_type: str, names: Iterable[str], minds_others: bool = False) -> None:
        self.cls = cls
        self.media_type = media_type
        self.minds_others = minds_others
        self.names = frozenset(names)
        if taken := sorted(RESERVED & self.names):
            raise ConfigurationError(
                f"{cls.__qualname__} cannot be the content of {media_type}: its field {taken[0]} is where a message "
                "has its own; give the field another name"
            )

    @abstractmethod
    def load(self, content: Mapping[str, Any]) -> Any:
        """
        Return the instance that content stands for.

        :raises MessageValidationError: if it does not fit
        """

    @abstractmethod
    def dump(self, content: Any) -> dict[str, Any]:
        """Return an instance as a dict that JSON can say, with the names that are written."""

    @abstractmethod
    def check(self, content: Mapping[str, Any]) -> Content:
        """
        Return the instance that content stands for, which may hold values that JSON cannot say, such as a UUID.

        :raises MessageValidationError: if it does not fit
        """

    def spread(self, content: Content) -> dict[str, Any]:
        """Return an instance as a mapping that `check` takes."""
        return self.dump(content)

    def encode(self, dct: Mapping[str, Any] | None = None, **kwargs: Any) -> str:
        """
        Return a message's JSON text.

        :param dct: the content, as `check` takes it, `media_type` and `opaque_data`
        :param kwargs: more of it, which wins over `dct`
        :raises MessageValidationError: if the content does not fit the class
        """
        content = {**(dct or {}), **kwargs}
        media_type = content.pop("media_type", None) or self.media_type
        opaque_data = content.pop("opaque_data", None)
        encoded = self.dump(self._check_type(self.check(content), "encode"))
        encoded["mediaType"] = media_type
        if opaque_data:
            encoded["opaqueData"] = opaque_data
        try:
            return dumps(encoded)
        except (TypeError, ValueError, RecursionError) as error:
            self.refuse("encode", {}, error)

    def decode(self, message: str | bytes | Mapping[str, Any]) -> Content:
        """
        Return the instance that a message holds.

        :param message: JSON text, or the object that was read from it
        :raises MessageValidationError: if it does not fit the class
        """
        # dict comes first: a check for any Mapping costs ten times as much.
        if not isinstance(message, (dict, Mapping)):
            return self._check_type(self.load_text(message), "decode")
        if self.minds_others:
            message = {key: value for key, value in message.items() if key not in RESERVED}
        return self._check_type(self.load(message), "decode")

    def load_text(self, text: str | bytes) -> Any:
        """
        Return the instance that a message's JSON text stands for.

        :raises MessageValidationError: if it is no JSON object, or does not fit
        """
        try:
            message = loads(text)
        except (TypeError, ValueError, RecursionError) as error:
            self.refuse("decode", {}, error)
        if not isinstance(message, dict):
            self.refuse("decode", {"_schema": ["Not a JSON object."]})
        return self.decode(message)

    def to_mapping(self, content: Any) -> dict[str, Any]:
        """
        Return an instance, or a mapping, as `encode` takes it.

        :raises MessageValidationError: if it is neither
        """
        if isinstance(content, Mapping):
            return dict(content)
        try:
            return self.spread(self._check_type(content, "encode"))
        except (AttributeError, TypeError, ValueError, RecursionError) as error:
            self.refuse("encode", {}, error)

    def has_field(self, name: str) -> bool:
        """Return whether content has a field of a name, in the code or as it is written."""
        return name in self.names

    def _check_type(self, content: Any, verb: str) -> Content:
        # A validator may return whatever it likes.
        if not isinstance(content, self.cls):
            self.refuse(verb, {"_schema": [f"Not {with_article(self.cls.__qualname__)}, but {article(content)}."]})
        return content

    def refuse(self, verb: str, messages: Mapping[str, Any], error: Exception | None = None) -> NoReturn:
        """
        Raise the error for content that does not fit.

        :param verb: "encode" or "decode"
        :param messages: the errors, by field
        :raises MessageValidationError: always
        """
        summary = f"Cannot {verb} a message with {self.cls.__qualname__}"
        if error is not None and not messages:
            summary += f": {type(error).__name__}"
        raise MessageValidationError({**messages, "_schema": [*messages.get("_schema", []), summary]}) from error
