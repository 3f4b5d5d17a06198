"""
Content that is an instance of a dataclass, read and written by a marshmallow schema made of its annotations.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import partial
from typing import Any

from marshmallow import EXCLUDE, ValidationError

from microcosm_pubsub.codecs.codec import ENCODING_ERRORS
from microcosm_pubsub.codecs.content import read_fields
from microcosm_pubsub.fast import PLAIN
from microcosm_pubsub.fast.loader import Loader
from microcosm_pubsub.payloads.annotation import make_schema
from microcosm_pubsub.payloads.typed_codec import TypedCodec


class DataclassCodec(TypedCodec[Any]):
    """Encode and decode messages whose content is a dataclass."""

    def __init__(self, cls: type, media_type: str) -> None:
        super().__init__(cls, media_type, [field.name for field in fields(cls)])
        self.schema = make_schema(cls)
        self._load = partial(self.schema.load, unknown=EXCLUDE) if PLAIN else Loader(self.schema).load

    def load(self, content: Mapping[str, Any]) -> Any:
        """Return the instance that content stands for."""
        return self._make(content, "decode")

    def check(self, content: Mapping[str, Any]) -> Any:
        """Return the instance that content stands for, which may hold values that JSON cannot say."""
        return self._make(self._write(content), "encode")

    def spread(self, content: Any) -> dict[str, Any]:
        """Return an instance as a mapping that `check` takes: its fields by their names in the code."""
        return read_fields(content)

    def dump(self, content: Any) -> dict[str, Any]:
        """Return an instance as a dict that JSON can say."""
        return self._write(content)

    def _write(self, content: Any) -> dict[str, Any]:
        try:
            written: dict[str, Any] = self.schema.dump(content)
            return written
        except ValidationError as error:
            self.refuse("encode", to_messages(error), error)
        except ENCODING_ERRORS as error:
            self.refuse("encode", {}, error)

    def _make(self, content: Mapping[str, Any], verb: str) -> Any:
        try:
            return self.cls(**self._load(content))
        except ValidationError as error:
            self.refuse(verb, to_messages(error), error)
        except ENCODING_ERRORS as error:
            # `__post_init__` may look at the fields together.
            self.refuse(verb, {"_schema": [str(error)]}, error)


def make_dataclass_codec(cls: type, media_type: str) -> DataclassCodec | None:
    """Return the codec of a dataclass, or None if the class is none."""
    return DataclassCodec(cls, media_type) if is_dataclass(cls) else None


def to_messages(error: ValidationError) -> dict[str, Any]:
    """Return the text of a marshmallow error, by field."""
    messages: dict[str, Any] = error.normalized_messages()  # type: ignore[no-untyped-call, unused-ignore]
    return messages
