"""
What SNS writes into a queue.

Owns the JSON envelope of a published message, member by member and space by space, as a subscribed
queue receives it unless its subscription asks for raw delivery.

https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html
"""

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from json import dumps
from typing import Any
from uuid import uuid4

from microcosm_pubsub.constants import FIFO_SUFFIX


UNSUBSCRIBE_URL = "https://sns.invalid/?Action=Unsubscribe"


@dataclass(frozen=True, slots=True)
class Notification:
    """
    One published message.

    :param published_at: when it was published, in seconds since the epoch
    :param message_attributes: name to `{"DataType": ..., "StringValue": ...}`, as given to `publish`
    :param sequence: its place among the messages of a FIFO topic
    """

    topic_arn: str
    message: str
    published_at: float
    subject: str | None = None
    message_attributes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    group_id: str | None = None
    deduplication_id: str | None = None
    sequence: int | None = None
    message_id: str = field(default_factory=lambda: str(uuid4()))

    def to_envelope(self) -> str:
        """Return the JSON text that SNS writes into a subscribed queue."""
        fifo = self.topic_arn.endswith(FIFO_SUFFIX)
        envelope: dict[str, Any] = {"Type": "Notification", "MessageId": self.message_id}
        if self.sequence is not None:
            envelope["SequenceNumber"] = str(self.sequence)
        envelope["TopicArn"] = self.topic_arn
        if self.subject is not None:
            envelope["Subject"] = self.subject
        envelope["Message"] = self.message
        envelope["Timestamp"] = self._timestamp()
        if not fifo:
            envelope["SignatureVersion"] = "1"
            envelope["Signature"] = b64encode(b"not signed: in memory").decode()
            envelope["SigningCertURL"] = "https://sns.invalid/SimpleNotificationService.pem"
        envelope["UnsubscribeURL"] = UNSUBSCRIBE_URL
        if self.message_attributes:
            envelope["MessageAttributes"] = {
                name: {"Type": attribute["DataType"], "Value": _value(attribute)}
                for name, attribute in self.message_attributes.items()
            }
        return dumps(envelope, indent=2, separators=(",", " : "), ensure_ascii=False)

    def _timestamp(self) -> str:
        published = datetime.fromtimestamp(self.published_at, UTC)
        return f"{published:%Y-%m-%dT%H:%M:%S}.{published.microsecond // 1000:03d}Z"


def _value(attribute: Mapping[str, Any]) -> str:
    """Return an attribute's value as text, which is base64 for bytes."""
    if "BinaryValue" in attribute:
        return b64encode(attribute["BinaryValue"]).decode()
    return str(attribute["StringValue"])
