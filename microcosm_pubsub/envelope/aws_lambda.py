"""
Records of Lambda events.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from microcosm_pubsub.envelope.codec import CodecSQSEnvelope
from microcosm_pubsub.message import Acknowledger, SQSMessage
from microcosm_pubsub.message.raw import RawMessage


class LambdaSQSEnvelope(CodecSQSEnvelope):
    """
    Read the records of a Lambda event, which are raw messages under other keys.

    https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html
    """

    def parse_raw_message(self, consumer: Acknowledger | None, raw_message: RawMessage) -> SQSMessage:
        """Return the message that a record holds."""
        return super().parse_raw_message(consumer, from_lambda_record(raw_message))


def from_lambda_record(record: Mapping[str, Any] | RawMessage) -> RawMessage:
    """Return a record of a Lambda event with its values in boto3's spelling too, so that it is a raw message."""
    if "Body" in record:
        return cast(RawMessage, dict(record))
    attributes = record.get("messageAttributes")
    raw = {
        **record,
        "MessageId": record.get("messageId"),
        "ReceiptHandle": record.get("receiptHandle"),
        "Body": record.get("body"),
        "MD5OfBody": record.get("md5OfBody"),
        "Attributes": record.get("attributes") or {},
        "MessageAttributes": {
            name: {key[:1].upper() + key[1:]: item for key, item in value.items()}
            for name, value in (attributes.items() if isinstance(attributes, Mapping) else ())
            if isinstance(value, Mapping)
        },
    }
    return cast(RawMessage, raw)
