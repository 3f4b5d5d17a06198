"""
Content that is an instance of a pydantic model, or of one of pydantic's dataclasses.

https://docs.pydantic.dev/latest/concepts/type_adapter/
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from json import dumps
from typing import Any

from microcosm_pubsub.payloads.typed_codec import TypedCodec


class ModelCodec(TypedCodec[Any]):
    """Encode and decode messages whose content is a pydantic model."""

    def __init__(self, cls: type, media_type: str) -> None:
        from pydantic import TypeAdapter, ValidationError

        self.error = ValidationError
        self.adapter: Any = TypeAdapter(cls)
        fields: Mapping[str, Any] = cls.__pydantic_fields__  # type: ignore[attr-defined]
        aliases = [name for field in fields.values() for name in (field.alias, field.serialization_alias) if name]
        extra = getattr(cls, "__pydantic_config__", None) or getattr(cls, "model_config", {})
        super().__init__(cls, media_type, [*fields, *aliases], extra.get("extra") in ("allow", "forbid"))

    def load_text(self, text: str | bytes) -> Any:
        """Return the model that a message's JSON text stands for."""
        if self.minds_others:
            return super().load_text(text)
        try:
            return self.adapter.validate_json(text)
        except self.error as error:
            self.refuse("decode", to_messages(error), error)

    def load(self, content: Mapping[str, Any]) -> Any:
        """Return the model that content stands for."""
        try:
            return self.adapter.validate_python(content)
        except self.error:
            # A strict model takes from JSON some values that it does not take from Python, such as a UUID's text:
            # https://docs.pydantic.dev/latest/concepts/strict_mode/
            return self._load_json(content)

    def check(self, content: Mapping[str, Any]) -> Any:
        """Return the model that content stands for, which may hold values that JSON cannot say."""
        try:
            return self.adapter.validate_python(content)
        except self.error as error:
            return self._check_json(content, error)

    def dump(self, content: Any) -> dict[str, Any]:
        """Return a model as a dict that JSON can say."""
        dumped: dict[str, Any] = self.adapter.dump_python(content, mode="json", by_alias=True)
        return dumped

    def make_json_schema(self, reads: bool) -> dict[str, Any]:
        """Return the JSON Schema of content that is read, or that is written."""
        made: dict[str, Any] = self.adapter.json_schema(mode="validation" if reads else "serialization")
        return made

    def _load_json(self, content: Mapping[str, Any]) -> Any:
        try:
            return self.adapter.validate_json(dumps(content))
        except self.error as error:
            self.refuse("decode", to_messages(error), error)

    def _check_json(self, content: Mapping[str, Any], error: Any) -> Any:
        try:
            return self.adapter.validate_json(dumps(content))
        except (self.error, TypeError, ValueError, RecursionError):
            self.refuse("encode", to_messages(error), error)


def make_model_codec(cls: type, media_type: str) -> ModelCodec | None:
    """Return the codec of a pydantic model or dataclass, or None if the class is neither."""
    # A program that has a model has imported pydantic.
    if "pydantic" not in sys.modules or not hasattr(cls, "__pydantic_validator__"):
        return None
    return ModelCodec(cls, media_type)


def to_messages(error: Any) -> dict[str, list[str]]:
    """Return the text of a pydantic error, by field, without the values that were refused."""
    messages: dict[str, list[str]] = {}
    for found in error.errors(include_url=False, include_context=False, include_input=False):
        messages.setdefault(".".join(map(str, found["loc"])) or "_schema", []).append(found["msg"])
    return messages
