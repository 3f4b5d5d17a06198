"""
One published message, and what SNS writes of it into a queue.

Owns the JSON envelope, member by member and space by space, as a subscribed queue receives it unless its
subscription asks for raw delivery. The members of the signature are there, and say that nobody signed.

https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from json import dumps, loads
from typing import Any

from microcosm_pubsub.broker.ids import new_id
from microcosm_pubsub.broker.sqs.sending import INVALID_CHARACTERS, SEQUENCE_BASE, Draft
from microcosm_pubsub.config.cached import cached_property
from microcosm_pubsub.constants import FIFO_SUFFIX


UNSUBSCRIBE_URL = "https://sns.invalid/?Action=Unsubscribe&SubscriptionArn="
SIGNING_CERT_URL = "https://sns.invalid/SimpleNotificationService.pem"
SIGNATURE = b64encode(b"not signed: by the embedded broker").decode()


@dataclass
class Notification:
    """
    One published message.

    :param published_at: when it was published, in milliseconds since the epoch
    :param message_attributes: name to `{"DataType": ..., "StringValue": ...}`, as given to `publish`
    :param sequence: its place among the messages of a FIFO topic
    """

    topic_arn: str
    message: str
    published_at: int
    subject: str | None = None
    message_attributes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    group_id: str | None = None
    deduplication_id: str | None = None
    sequence: int | None = None
    signature_version: str = "1"
    message_id: str = field(default_factory=new_id)
    #: The texts for protocols other than SQS, where they are not the message.
    by_protocol: Mapping[str, str] = field(default_factory=dict)
    #: What was put into queues of it.
    copies: list[Draft] = field(default_factory=list)

    def for_protocol(self, protocol: str) -> Notification:
        """Return the notification for a protocol."""
        text = self.by_protocol.get(protocol)
        return self if text is None else replace(self, message=text, by_protocol={})

    def to_answer(self) -> dict[str, Any]:
        """Return the answer for the publisher."""
        answer = {"MessageId": self.message_id}
        if self.sequence is not None:
            answer["SequenceNumber"] = str(SEQUENCE_BASE + self.sequence)
        return answer

    def to_envelope(self, subscription_arn: str) -> str:
        """Return the JSON text that SNS writes into the queue of a subscription."""
        return f'{{\n{self._head}  "UnsubscribeURL" : "{UNSUBSCRIBE_URL}{subscription_arn}"{self._tail}\n}}'

    @cached_property
    def _head(self) -> str:
        members = [("Type", '"Notification"'), *((name, f'"{value}"') for name, value in self.to_answer().items())]
        members.append(("TopicArn", f'"{self.topic_arn}"'))
        if self.subject is not None:
            members.append(("Subject", _quote(self.subject)))
        members += [("Message", _quote(self.message)), ("Timestamp", f'"{self.timestamp}"')]
        if not self.topic_arn.endswith(FIFO_SUFFIX):
            members += [
                ("SignatureVersion", f'"{self.signature_version}"'),
                ("Signature", f'"{SIGNATURE}"'),
                ("SigningCertURL", f'"{SIGNING_CERT_URL}"'),
            ]
        return "".join([f'  "{name}" : {value},\n' for name, value in members])

    @cached_property
    def _tail(self) -> str:
        if not self.message_attributes:
            return ""
        members = ",\n".join(
            f'    "{name}" : {{"Type":{_quote(attribute["DataType"])},"Value":{_quote(to_text(attribute))}}}'
            for name, attribute in self.message_attributes.items()
        )
        return f',\n  "MessageAttributes" : {{\n{members}\n  }}'

    @property
    def timestamp(self) -> str:
        """Return when it was published, as SNS writes it."""
        published = datetime.fromtimestamp(self.published_at // 1000, UTC)
        return f"{published:%Y-%m-%dT%H:%M:%S}.{self.published_at % 1000:03d}Z"

    @cached_property
    def attribute_values(self) -> dict[str, Any]:
        """Return the message attributes as a filter policy sees them; bytes are not seen."""
        return {
            name: to_value(attribute)
            for name, attribute in self.message_attributes.items()
            if "StringValue" in attribute
        }

    @cached_property
    def body_values(self) -> dict[str, Any] | None:
        """Return the message as a filter policy sees it; None if it is not a JSON object."""
        try:
            body = loads(self.message)
        except (ValueError, RecursionError):
            return None
        return body if isinstance(body, dict) else None


def to_text(attribute: Mapping[str, Any]) -> str:
    """Return an attribute's value as text, which is base64 for bytes."""
    if "BinaryValue" in attribute:
        return b64encode(attribute["BinaryValue"]).decode()
    return str(attribute["StringValue"])


def to_value(attribute: Mapping[str, Any]) -> Any:
    """
    Return an attribute's value: text, a number, or a list.

    https://docs.aws.amazon.com/sns/latest/dg/sns-message-attributes.html#SNSMessageAttributes.DataTypes
    """
    kind, text = attribute["DataType"], attribute["StringValue"]
    try:
        if kind == "String.Array":
            return loads(text)
        if kind.split(".")[0] == "Number":
            return float(text) if set(text) & set(".eE") else int(text)
    except (ValueError, RecursionError):
        pass
    return text


def _quote(text: str) -> str:
    # SQS takes characters as JSON's escapes that it refuses as they are.
    return dumps(text, ensure_ascii=INVALID_CHARACTERS.search(text) is not None)
