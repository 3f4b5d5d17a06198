"""
The messages of a program: what it writes of each media type, and what it reads, as JSON Schema.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from json import dumps
from typing import Any

from microcosm_pubsub.batch import MessageBatchSchema
from microcosm_pubsub.gate.fields import JsonSchema, SchemaReader
from microcosm_pubsub.gate.subset import resolve
from microcosm_pubsub.registry import PubSubMessageSchemaRegistry


@dataclass(frozen=True, slots=True)
class MessageDescription:
    """
    The schema of a media type, as JSON Schema.

    :param media_type: or a pattern of media types
    :param schema: the name of what says so
    :param writes: the schema of a producer's messages
    :param reads: the schema of the messages that a handler takes
    """

    media_type: str
    schema: str
    writes: JsonSchema
    reads: JsonSchema

    @property
    def hash(self) -> str:
        """Return a digest that changes with it."""
        text = dumps([self.writes, self.reads], sort_keys=True)
        return sha256(text.encode()).hexdigest()[:16]

    @property
    def doc(self) -> str | None:
        """Return the description in the schema."""
        return self.reads.get("description")

    def to_dict(self) -> dict[str, Any]:
        """Return it as the lock file holds it."""
        return {"schema": self.schema, "hash": self.hash, "reads": self.reads, "writes": self.writes}


def describe_messages(
    registry: PubSubMessageSchemaRegistry, handled: Iterable[str] = ()
) -> dict[str, MessageDescription]:
    """
    Return the messages that a registry knows, by media type.

    :param handled: media types that are handled, which may be known by convention alone
    """
    media_types = sorted({*registry.keys(), *handled} - {MessageBatchSchema.MEDIA_TYPE})
    found: dict[str, MessageDescription] = {}
    for media_type in media_types:
        try:
            codec = registry.find(media_type)
        except KeyError:
            # A handler that takes anything handles it.
            continue
        reads, writes = read_codec(codec, reads=True), read_codec(codec, reads=False)
        found[media_type] = MessageDescription(media_type, registry.describe(media_type), writes, reads)
    return found


def read_codec(codec: Any, reads: bool) -> JsonSchema:
    """Return the schema that a codec reads, or that it writes; one that cannot tell takes and gives anything."""
    if make := getattr(codec, "make_json_schema", None):
        made: JsonSchema = make(reads)
        return {**without_reference(made), **resolve(made, made)}
    schema = getattr(codec, "schema", None)
    # Of an instance every field is written, and of a dict the keys that are there.
    return {} if schema is None else SchemaReader(reads, has_all=codec.cls is not None).read(schema)


def without_reference(schema: JsonSchema) -> JsonSchema:
    """Return a schema without its reference to a definition."""
    return {key: value for key, value in schema.items() if key != "$ref"}
