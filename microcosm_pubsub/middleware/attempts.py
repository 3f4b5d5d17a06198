"""
Give up on messages that were received too often.
"""

from __future__ import annotations

from microcosm_pubsub.errors import AttemptsExhausted
from microcosm_pubsub.message import SQSMessage
from microcosm_pubsub.middleware.layer import Check
from microcosm_pubsub.retry import RetryPolicy
from microcosm_pubsub.types import Handler


class AttemptsLimit(Check):
    """
    Refuse a message that was received more often than the retry policy of its handler allows.

    A refused message is FAILED and given up; it is never deleted but for its copy in the dead-letter queue.
    """

    def __init__(self) -> None:
        super().__init__(refuse_exhausted)

    def is_needed(self, handler: Handler | None, policy: RetryPolicy) -> bool:
        """Return whether a handler's messages have a number of attempts."""
        return policy.max_attempts is not None


def refuse_exhausted(message: SQSMessage) -> None:
    """
    Do nothing for a message that was not received too often.

    :raises AttemptsExhausted: if it was
    """
    max_attempts = message.route.policy.max_attempts if message.route is not None else None
    if max_attempts is not None and (message.attempts or 0) > max_attempts:
        raise AttemptsExhausted(
            f"Message {message.message_id} was received {message.attempts} times, "
            f"{max_attempts} are allowed (max_attempts of its retry policy, or "
            "sqs_message_dispatcher.message_max_processing_attempts)"
        )


limit_attempts = AttemptsLimit()
