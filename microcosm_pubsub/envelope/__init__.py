"""
Envelopes, which make a message of a wire body.

An envelope takes one raw message, as `receive_message` (or Lambda) gives it, and returns an
`SQSMessage`, or raises: `DecodeError` for what it cannot read, `ValidationError` for what does not fit
its schema. Containing that to the one message is the consumer's work.
"""

from microcosm_pubsub.envelope.aws_lambda import LambdaSQSEnvelope, from_lambda_record
from microcosm_pubsub.envelope.base import SQSEnvelope, blank_message
from microcosm_pubsub.envelope.codec import CodecSQSEnvelope
from microcosm_pubsub.envelope.factory import configure_sqs_envelope
from microcosm_pubsub.envelope.json_text import load_json, load_object
from microcosm_pubsub.envelope.media_type import find_media_type
from microcosm_pubsub.envelope.parsers import (
    CodecMediaTypeAndContentParser,
    MediaTypeAndContentParser,
    MessageBodyParser,
    NaiveMediaTypeAndContentParser,
    RawMediaTypeAndContentParser,
    RawMessageBodyParser,
    SNSMessageBodyParser,
)
from microcosm_pubsub.envelope.plain import NaiveSQSEnvelope, RawSQSEnvelope
from microcosm_pubsub.envelope.transforms import BodyTransform, configure_pubsub_body_transforms


__all__ = [
    "BodyTransform",
    "CodecMediaTypeAndContentParser",
    "CodecSQSEnvelope",
    "LambdaSQSEnvelope",
    "MediaTypeAndContentParser",
    "MessageBodyParser",
    "NaiveMediaTypeAndContentParser",
    "NaiveSQSEnvelope",
    "RawMediaTypeAndContentParser",
    "RawMessageBodyParser",
    "RawSQSEnvelope",
    "SNSMessageBodyParser",
    "SQSEnvelope",
    "blank_message",
    "configure_pubsub_body_transforms",
    "configure_sqs_envelope",
    "find_media_type",
    "from_lambda_record",
    "load_json",
    "load_object",
]
