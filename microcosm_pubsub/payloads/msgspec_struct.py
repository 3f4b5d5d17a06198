"""
Content that is an instance of a msgspec Struct.

https://jcristharif.com/msgspec/structs.html
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from typing import Any, NoReturn

from microcosm_pubsub.payloads.typed_codec import TypedCodec


#: The place in msgspec's errors: https://jcristharif.com/msgspec/usage.html#typed-deserialization
PLACE = re.compile(r"(?P<text>.*?) - at `\$?\.?(?P<path>[^`]*)`$")


class StructCodec(TypedCodec[Any]):
    """Encode and decode messages whose content is a msgspec Struct."""

    def __init__(self, cls: type, media_type: str) -> None:
        import msgspec

        self.msgspec = msgspec
        self.decoder: Any = msgspec.json.Decoder(cls)
        struct: Any = cls
        names = [*struct.__struct_fields__, *struct.__struct_encode_fields__]
        super().__init__(cls, media_type, names, struct.__struct_config__.forbid_unknown_fields)

    def load_text(self, text: str | bytes) -> Any:
        """Return the Struct that a message's JSON text stands for."""
        if self.minds_others:
            return super().load_text(text)
        try:
            return self.decoder.decode(text)
        except (self.msgspec.MsgspecError, UnicodeDecodeError) as error:
            self._refuse(error, "decode")

    def load(self, content: Mapping[str, Any]) -> Any:
        """Return the Struct that content stands for."""
        return self._convert(content, "decode")

    def check(self, content: Mapping[str, Any]) -> Any:
        """Return the Struct that content stands for, which may hold values that JSON cannot say."""
        try:
            plain = self.msgspec.to_builtins(content, str_keys=True)
        except (TypeError, ValueError, RecursionError) as error:
            self.refuse("encode", {}, error)
        return self._convert(plain, "encode")

    def dump(self, content: Any) -> dict[str, Any]:
        """Return a Struct as a dict that JSON can say."""
        dumped: dict[str, Any] = self.msgspec.to_builtins(content, str_keys=True)
        return dumped

    def make_json_schema(self, reads: bool) -> dict[str, Any]:
        """Return the JSON Schema of content that is read, or that is written."""
        made: dict[str, Any] = self.msgspec.json.schema(self.cls)
        struct: Any = self.cls
        if not reads and not struct.__struct_config__.omit_defaults:
            for each in made.get("$defs", {}).values():
                if "properties" in each:
                    # Fields with a default are written all the same.
                    each["required"] = sorted(each["properties"])
        return made

    def _convert(self, content: Mapping[str, Any], verb: str) -> Any:
        try:
            # Python's json has read it: keys are texts, as they are in JSON
            return self.msgspec.convert(content, self.cls, str_keys=True)
        except self.msgspec.ValidationError as error:
            self._refuse(error, verb)

    def _refuse(self, error: Exception, verb: str) -> NoReturn:
        found = PLACE.match(str(error))
        messages = {found["path"]: [found["text"]]} if found else {"_schema": [str(error)]}
        self.refuse(verb, messages, error)


def make_struct_codec(cls: type, media_type: str) -> StructCodec | None:
    """Return the codec of a msgspec Struct, or None if the class is none."""
    # A program that has a Struct has imported msgspec.
    msgspec = sys.modules.get("msgspec")
    if msgspec is None or not issubclass(cls, msgspec.Struct):
        return None
    return StructCodec(cls, media_type)
