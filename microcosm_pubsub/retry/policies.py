"""
The retry policy of each media type: that of its handler, completed by that of the daemon.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from microcosm.api import typed

from microcosm_pubsub.config.graph import defaults
from microcosm_pubsub.errors import ConfigurationError
from microcosm_pubsub.retry.policy import RetryPolicy


class RetryPolicies:
    """
    Know the retry policy of each media type.

    :param find_own: returns the policy of a media type's handler, or None if it has none
    :param default: for handlers that have none; its `max_attempts` also for those whose policy says none
    """

    def __init__(self, find_own: Callable[[str | None], RetryPolicy | None], default: RetryPolicy) -> None:
        self._find_own = find_own
        self.default = default
        self._completed: dict[int, RetryPolicy] = {}

    def find(self, media_type: str | None) -> RetryPolicy:
        """Return the policy of a media type."""
        own = self._find_own(media_type)
        if own is None:
            return self.default
        if own.max_attempts is not None or self.default.max_attempts is None:
            return own
        completed = self._completed.get(id(own))
        if completed is None or completed.max_attempts != self.default.max_attempts:
            completed = self._completed[id(own)] = replace(own, max_attempts=self.default.max_attempts)
        return completed


def accept_policy(value: Any) -> RetryPolicy | None:
    """
    Accept a retry policy as a configuration value.

    :raises ConfigurationError: if it is another one
    """
    if value is None or isinstance(value, RetryPolicy):
        return value
    raise ConfigurationError(f"Configuration pubsub_retry_policies.default is {value!r}, but must be a RetryPolicy")


@defaults(default=typed(accept_policy, default_value=None))
def configure_pubsub_retry_policies(graph: Any) -> RetryPolicies:
    """
    Configure the retry policies of handlers, bound as `pubsub_retry_policies`.

    The daemon's is config `default`, which a daemon class sets by its `retry`.
    """
    default = graph.config.pubsub_retry_policies.default or RetryPolicy()
    if default.max_attempts is None:
        attempts = graph.config.sqs_message_dispatcher.message_max_processing_attempts
        default = replace(default, max_attempts=attempts)
    registry = graph.sqs_message_handler_registry
    return RetryPolicies(lambda media_type: registry.find_options(media_type).retry, default)
