"""
The form of SNS's messages to web servers: bodies, headers, and the part that is signed.

https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html
"""

from __future__ import annotations

from collections.abc import Mapping
from json import dumps
from typing import Any
from urllib.parse import urlencode

from microcosm_pubsub.broker.sns.deliveries import FAREWELL, NOTIFICATION, DueDelivery
from microcosm_pubsub.broker.sns.notification import to_text
from microcosm_pubsub.server.delivery.signing import Signer


CONTENT_TYPE = "text/plain; charset=UTF-8"

USER_AGENT = "Amazon Simple Notification Service Agent"

#: The fields that are signed, in this order; one that a message does not have is left out.
#: https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message-verify-message-signature.html
SIGNED = ("Message", "MessageId", "Subject", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")


def write_body(outgoing: DueDelivery, url: str, signer: Signer) -> bytes:
    """
    Return the body that is sent to a web server.

    :param url: of this server, with which URLs begin unless the subscriber called another one
    """
    notification = outgoing.notification
    if outgoing.raw and outgoing.kind == NOTIFICATION:
        return notification.message.encode()
    url = outgoing.url or url
    members: dict[str, Any] = {"Type": outgoing.kind, "MessageId": notification.message_id}
    if outgoing.kind != NOTIFICATION:
        members["Token"] = outgoing.token
    members["TopicArn"] = notification.topic_arn
    if notification.subject is not None:
        members["Subject"] = notification.subject
    members["Message"] = notification.message
    if outgoing.kind != NOTIFICATION:
        query = {"Action": "ConfirmSubscription", "TopicArn": notification.topic_arn, "Token": outgoing.token}
        members["SubscribeURL"] = f"{url}/?{urlencode(query, safe=':')}"
    members["Timestamp"] = notification.timestamp
    members["SignatureVersion"] = notification.signature_version
    members["Signature"] = signer.sign(text_to_sign(members), notification.signature_version)
    members["SigningCertURL"] = f"{url}{signer.path}"
    if outgoing.kind == NOTIFICATION:
        query = {"Action": "Unsubscribe", "SubscriptionArn": outgoing.subscription_arn}
        members["UnsubscribeURL"] = f"{url}/?{urlencode(query, safe=':')}"
    if notification.message_attributes:
        members["MessageAttributes"] = {
            name: {"Type": attribute["DataType"], "Value": to_text(attribute)}
            for name, attribute in notification.message_attributes.items()
        }
    return dumps(members, indent=2, ensure_ascii=False, separators=(",", " : ")).encode()


def text_to_sign(members: Mapping[str, Any]) -> str:
    """Return the text of a message that is signed."""
    return "".join(f"{name}\n{members[name]}\n" for name in SIGNED if name in members)


def write_headers(outgoing: DueDelivery) -> dict[str, str]:
    """Return the headers that go with a body."""
    headers = {
        "Content-Type": outgoing.content_type or CONTENT_TYPE,
        "User-Agent": USER_AGENT,
        "x-amz-sns-message-type": outgoing.kind,
        "x-amz-sns-message-id": outgoing.notification.message_id,
        "x-amz-sns-topic-arn": outgoing.notification.topic_arn,
    }
    if outgoing.kind in (NOTIFICATION, FAREWELL):
        headers["x-amz-sns-subscription-arn"] = outgoing.subscription_arn
    if outgoing.raw and outgoing.kind == NOTIFICATION:
        headers["x-amz-sns-rawdelivery"] = "true"
    return headers
