"""
The retry policy of each handler: its own, completed by that of the daemon.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from microcosm.api import typed

from microcosm_pubsub.config.graph import defaults
from microcosm_pubsub.errors import ConfigurationError
from microcosm_pubsub.graph import PubSubGraph
from microcosm_pubsub.retry.policy import RetryPolicy


class RetryPolicies:
    """
    Complete the retry policies of handlers by that of the daemon.

    :param default: for handlers that have none; its `max_attempts` also for those whose policy says none
    """

    def __init__(self, default: RetryPolicy) -> None:
        self.default = default

    def complete(self, own: RetryPolicy | None) -> RetryPolicy:
        """Return the policy of a handler, given that of its own, if it has one."""
        if own is None:
            return self.default
        if own.max_attempts is not None or self.default.max_attempts is None:
            return own
        return replace(own, max_attempts=self.default.max_attempts)


def accept_policy(value: Any) -> RetryPolicy | None:
    """
    Accept a retry policy as a configuration value.

    :raises ConfigurationError: if it is another one
    """
    if value is None or isinstance(value, RetryPolicy):
        return value
    raise ConfigurationError(f"Configuration pubsub_retry_policies.default is {value!r}, but must be a RetryPolicy")


@defaults(default=typed(accept_policy, default_value=None))
def configure_pubsub_retry_policies(graph: PubSubGraph) -> RetryPolicies:
    """
    Configure the retry policies of handlers, bound as `pubsub_retry_policies`.

    The daemon's is config `default`, which a daemon class sets by its `retry`.
    """
    default = graph.config.pubsub_retry_policies.default or RetryPolicy()
    if default.max_attempts is None:
        attempts = graph.config.sqs_message_dispatcher.message_max_processing_attempts
        default = replace(default, max_attempts=attempts)
    return RetryPolicies(default)
