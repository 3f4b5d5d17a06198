"""
The content of a message, as JSON text, by a marshmallow schema.

`PubSubMessageSchema` is the base of all messages; `PubSubMessageCodec` pairs a schema with the text. A `ContentCodec`
does the same for other classes, see `payloads`.
"""

from microcosm_pubsub.codecs.codec import PubSubMessageCodec
from microcosm_pubsub.codecs.content import CodecFactory, ContentCodec
from microcosm_pubsub.codecs.schema import DEFAULT_MEDIA_TYPE, MediaTypeSchema, PubSubMessageSchema, media_type_of


__all__ = [
    "DEFAULT_MEDIA_TYPE",
    "CodecFactory",
    "ContentCodec",
    "MediaTypeSchema",
    "PubSubMessageCodec",
    "PubSubMessageSchema",
    "media_type_of",
]
