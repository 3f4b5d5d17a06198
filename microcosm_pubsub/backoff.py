"""
When a nacked message becomes visible again.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from inspect import signature
from random import Random, SystemRandom

from microcosm_pubsub.constants import MAX_VISIBILITY_TIMEOUT_SECONDS
from microcosm_pubsub.message import SQSMessage
from microcosm_pubsub.types import choose_subclass


MAX_BACKOFF_TIMEOUT = MAX_VISIBILITY_TIMEOUT_SECONDS
DEFAULT_TIMEOUT_SECONDS = 5


class BackoffPolicy(ABC):
    """
    Decide after how many seconds a nacked message becomes visible again.

    A subclass, at any depth, is chosen by its class name in config `sqs_consumer.backoff_policy`; it is made
    with `message_retry_visibility_timeout_seconds` if it takes that.
    """

    @abstractmethod
    def compute_backoff_timeout(self, message: SQSMessage, message_timeout: int | None) -> int:
        """
        Return the time until the message becomes visible, in whole seconds, at most 12 hours.

        :param message_timeout: the time that the nack itself asks for; it wins, 0 included
        """

    @classmethod
    def choose_backoff_policy(cls, name: str) -> type[BackoffPolicy]:
        """
        Return the policy of a name.

        :raises ConfigurationError: if there is none
        """
        return choose_subclass(BackoffPolicy, name, "backoff policy")  # type: ignore[type-abstract]


class NaiveBackoffPolicy(BackoffPolicy):
    """Wait for the same time after every nack."""

    def __init__(self, message_retry_visibility_timeout_seconds: int = DEFAULT_TIMEOUT_SECONDS) -> None:
        self.message_retry_visibility_timeout_seconds = message_retry_visibility_timeout_seconds

    def compute_backoff_timeout(self, message: SQSMessage, message_timeout: int | None) -> int:
        """Return the time that the nack asks for, or the configured one."""
        if message_timeout is None:
            return clamp(self.message_retry_visibility_timeout_seconds)
        return clamp(message_timeout)


class ExponentialBackoffPolicy(BackoffPolicy):
    """
    Wait for a random time whose bound doubles with every receive.

    The random part keeps messages that failed together from coming back together; see
    https://aws.amazon.com/builders-library/timeouts-retries-and-backoff-with-jitter/

    :param random: the source of randomness
    """

    def __init__(self, random: Random | None = None) -> None:
        self.random = random or SystemRandom()

    def compute_backoff_timeout(self, message: SQSMessage, message_timeout: int | None) -> int:
        """Return the time that the nack asks for, or one between 1 and 2^receives - 1."""
        if message_timeout is not None:
            return clamp(message_timeout)
        # 2^16 is above the 12 hours that any more receives would be cut to
        receives = min(max(message.approximate_receive_count or 1, 1), 16)
        return self.random.randint(1, min(2**receives - 1, MAX_BACKOFF_TIMEOUT))


def clamp(timeout_seconds: float) -> int:
    """Return a visibility timeout that SQS accepts."""
    return int(min(max(timeout_seconds, 0), MAX_BACKOFF_TIMEOUT))


def make_backoff_policy(name: str, message_retry_visibility_timeout_seconds: int) -> BackoffPolicy:
    """
    Make the policy of a name.

    :raises ConfigurationError: if there is none
    """
    policy = BackoffPolicy.choose_backoff_policy(name)
    if "message_retry_visibility_timeout_seconds" in signature(policy).parameters:
        return policy(message_retry_visibility_timeout_seconds=message_retry_visibility_timeout_seconds)  # type: ignore[call-arg]
    return policy()
