"""
The id of a message by which its receivers know it again, wherever it goes.
"""

from __future__ import annotations

from uuid import uuid4

from microcosm_pubsub.constants import IDENTITY_KEY
from microcosm_pubsub.context import current_messages_or_none
from microcosm_pubsub.message import find_value
from microcosm_pubsub.producer.message import PubsubMessage


def add_identity(message: PubsubMessage) -> None:
    """
    Give a message an id of its own, unless its author gave it one: a publish step.

    The id of a message that is being handled is not taken for its own: messages that it causes are others.
    """
    identity = find_value(message.opaque_data, IDENTITY_KEY)
    if identity and not any(
        identity == find_value(each.opaque_data, IDENTITY_KEY) for each in current_messages_or_none()
    ):
        return
    others = {key: value for key, value in message.opaque_data.items() if str(key).lower() != IDENTITY_KEY}
    message.opaque_data = {**others, IDENTITY_KEY: str(uuid4())}
