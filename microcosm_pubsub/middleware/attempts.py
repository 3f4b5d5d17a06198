"""
Give up on messages that were received too often.
"""

from typing import Any

from microcosm_pubsub.errors import AttemptsExhausted
from microcosm_pubsub.message import SQSMessage
from microcosm_pubsub.retry import RetryPolicies
from microcosm_pubsub.types import Call, Layer


def limit_attempts(policies: RetryPolicies) -> Layer:
    """
    Return a layer that refuses a message received more often than its retry policy allows.

    A refused message is FAILED and given up; it is never deleted but for its copy in the dead-letter queue.
    """

    def layer(call_next: Call, message: SQSMessage) -> Any:
        max_attempts = policies.find(message.media_type).max_attempts
        if max_attempts is not None and (message.attempts or 0) > max_attempts:
            raise AttemptsExhausted(
                f"Message {message.message_id} was received {message.attempts} times, "
                f"{max_attempts} are allowed (max_attempts of its retry policy, or "
                "sqs_message_dispatcher.message_max_processing_attempts)"
            )
        return call_next(message)

    return layer
