"""
Many messages within one.

A batch message carries the texts of up to `deferred_batch_size` messages as one message, whose
handler (`handlers.PublishBatchMessage`) publishes each of them.
"""

from marshmallow import EXCLUDE, Schema, fields

from microcosm_pubsub.codecs import PubSubMessageSchema
from microcosm_pubsub.conventions import created


class BatchedMessageSchema(Schema):
    """One message within a batch: the fields of a `PubsubMessage`."""

    class Meta:
        # The publisher may know of more fields.
        unknown = EXCLUDE

    media_type = fields.String(required=True)
    message = fields.String(required=True)
    message_attributes = fields.Dict(required=True)
    opaque_data = fields.Dict(required=False, allow_none=True)
    topic_arn = fields.String(required=True)
    group_id = fields.String(required=False, allow_none=True)
    deduplication_id = fields.String(required=False, allow_none=True)


class MessageBatchSchema(PubSubMessageSchema):
    """A batch of messages."""

    MEDIA_TYPE = created("batch_message")

    messages = fields.List(fields.Nested(BatchedMessageSchema), required=True)
