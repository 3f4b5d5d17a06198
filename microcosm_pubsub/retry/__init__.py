"""
The fate of a message that was not handled: another attempt, and when, or the dead-letter queue.
"""

from microcosm_pubsub.retry.policies import RetryPolicies, configure_pubsub_retry_policies
from microcosm_pubsub.retry.policy import RetryPolicy


__all__ = [
    "RetryPolicies",
    "RetryPolicy",
    "configure_pubsub_retry_policies",
]
