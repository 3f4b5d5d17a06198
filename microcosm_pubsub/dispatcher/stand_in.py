"""
Objects that stand for messages, as mocks do in tests: handled as the messages that they describe.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from microcosm_pubsub.message import SQSMessage


@dataclass(frozen=True, slots=True)
class StandInConsumer:
    """
    Settles a message by the methods of the object that stands for it.

    :param stand_in: has `ack` and `nack`
    """

    stand_in: Any

    def ack(self, message: SQSMessage) -> None:
        """Ack the object."""
        self.stand_in.ack()

    def nack(self, message: SQSMessage, visibility_timeout_seconds: int | None = None) -> None:
        """Nack the object."""
        self.stand_in.nack(visibility_timeout_seconds)


def to_message(message: Any) -> SQSMessage:
    """Return a message as it is; one that says what any other object says."""
    # A mock of a message passes for one by `isinstance`, but each of its attributes is another mock.
    if issubclass(type(message), SQSMessage):
        return message  # type: ignore[no-any-return]
    count = message.approximate_receive_count
    made: SQSMessage = SQSMessage(
        consumer=StandInConsumer(message),
        content=message.content,
        media_type=message.media_type,
        message_id=message.message_id,
        receipt_handle=message.receipt_handle,
        approximate_receive_count=count if isinstance(count, int) else None,
    )
    if isinstance(message.opaque_data, dict):
        made.opaque_data = message.opaque_data
    return made
