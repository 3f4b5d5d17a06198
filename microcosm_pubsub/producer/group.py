"""
The group of a message of a FIFO topic, in which messages keep their order.
"""

from __future__ import annotations

from string import punctuation
from typing import Any
from urllib.parse import quote
from uuid import uuid4

from microcosm_pubsub.constants import FIFO_SUFFIX, URI_KEY
from microcosm_pubsub.producer.message import PubsubMessage


def add_group(message: PubsubMessage) -> None:
    """Give a message of a FIFO topic its group and its deduplication id, unless it has them: a publish step."""
    if not message.topic_arn.endswith(FIFO_SUFFIX):
        return
    content = message.content
    if message.group_id is None:
        # Messages about one resource stay in order.
        message.group_id = make_group_id(content.get(URI_KEY) or content.get("id") or message.media_type)
    if message.deduplication_id is None:
        # An id of its own: botocore's retries are duplicates, two equal messages are not.
        message.deduplication_id = str(uuid4())


def make_group_id(value: Any) -> str:
    """
    Return a message group id: letters, digits and punctuation, at most 128 of them.

    https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
    """
    return quote(str(value), safe=punctuation)[:128]
