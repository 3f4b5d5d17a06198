"""
Give up on messages that were received too often.
"""

from collections.abc import Callable
from typing import Any

from microcosm_pubsub.errors import AttemptsExhausted
from microcosm_pubsub.message import SQSMessage


def limit_attempts(max_attempts: int | None) -> Callable[[Callable[[SQSMessage], Any], SQSMessage], Any]:
    """
    Return a layer that refuses a message received more than `max_attempts` times; None refuses none.

    A refused message is FAILED and nacked, so that its queue's redrive policy takes it to the dead-letter
    queue; it is never deleted.
    """

    def layer(call_next: Callable[[SQSMessage], Any], message: SQSMessage) -> Any:
        if max_attempts is not None and (message.approximate_receive_count or 0) > max_attempts:
            raise AttemptsExhausted(
                f"Message {message.message_id} was received {message.approximate_receive_count} times, "
                f"{max_attempts} are allowed (sqs_message_dispatcher.message_max_processing_attempts)"
            )
        return call_next(message)

    return layer
