"""
Backoff policies: when a nacked message becomes visible again.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from inspect import signature
from random import Random, SystemRandom

from microcosm_pubsub.config.values import choose_subclass
from microcosm_pubsub.constants import MAX_VISIBILITY_TIMEOUT_SECONDS
from microcosm_pubsub.errors import ConfigurationError
from microcosm_pubsub.message import SQSMessage


MAX_BACKOFF_TIMEOUT = MAX_VISIBILITY_TIMEOUT_SECONDS
DEFAULT_TIMEOUT_SECONDS = 5

#: A message that waits for its queue's own redrive is looked at this often, at least.
MAX_GROWN_SECONDS = 900


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

    @classmethod
    def from_config(cls, message_retry_visibility_timeout_seconds: float) -> BackoffPolicy:
        """Make the policy from configuration; the timeout is for policies that take it."""
        given = {"message_retry_visibility_timeout_seconds": message_retry_visibility_timeout_seconds}
        return cls(**{name: value for name, value in given.items() if name in signature(cls).parameters})


class NaiveBackoffPolicy(BackoffPolicy):
    """Wait for the same time after every nack."""

    def __init__(self, message_retry_visibility_timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS) -> None:
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
    :param base_seconds: the bound after the first receive
    :param max_seconds: no bound is larger
    :param jitter: "full" waits for any time up to the bound, "equal" for at least half of it
    :raises ConfigurationError: if a value cannot work
    """

    def __init__(
        self,
        random: Random | None = None,
        base_seconds: float = 1,
        max_seconds: float = MAX_BACKOFF_TIMEOUT,
        jitter: str = "full",
    ) -> None:
        if not 0 < base_seconds <= max_seconds:
            raise ConfigurationError(
                f"ExponentialBackoffPolicy: base_seconds is {base_seconds!r}, but must be above 0 and at most the "
                f"max_seconds, {max_seconds!r}"
            )
        if jitter not in ("full", "equal"):
            raise ConfigurationError(f"ExponentialBackoffPolicy: jitter is {jitter!r}, but must be 'full' or 'equal'")
        self.random = random or SystemRandom()
        self.base_seconds = base_seconds
        self.max_seconds = max_seconds
        self.jitter = jitter

    def compute_backoff_timeout(self, message: SQSMessage, message_timeout: int | None) -> int:
        """Return the time that the nack asks for, or one up to the base times 2^receives - 1, but at least 1."""
        if message_timeout is not None:
            return clamp(message_timeout)
        # 2^16 is above the 12 hours that any more receives would be cut to
        receives = min(max(message.approximate_receive_count or 1, 1), 16)
        bound = max(1, clamp(min(self.base_seconds * (2**receives - 1), self.max_seconds)))
        return self.random.randint(bound // 2 + bound % 2 if self.jitter == "equal" else 1, bound)


class ListBackoffPolicy(BackoffPolicy):
    """
    Wait for a time that is given for each receive.

    :param seconds: after the first receive, after the second, and so on; the last one for all further ones
    """

    def __init__(self, seconds: Sequence[float]) -> None:
        self.seconds = tuple(seconds)

    def compute_backoff_timeout(self, message: SQSMessage, message_timeout: int | None) -> int:
        """Return the time that the nack asks for, or the one given for this receive."""
        if message_timeout is not None:
            return clamp(message_timeout)
        receives = max(message.approximate_receive_count or 1, 1)
        return clamp(self.seconds[min(receives, len(self.seconds)) - 1])


def clamp(timeout_seconds: float) -> int:
    """Return a visibility timeout that SQS accepts."""
    return int(min(max(timeout_seconds, 0), MAX_BACKOFF_TIMEOUT))


def growing(seconds: int, receive_count: int | None) -> int:
    """
    Return how long a message is hidden that nobody here can do anything for: twice as long with every receive.

    :param seconds: after the first receive
    """
    return min(MAX_GROWN_SECONDS, max(seconds, 1) << min(max(receive_count or 1, 1) - 1, 16))


def make_backoff_policy(name: str, message_retry_visibility_timeout_seconds: int) -> BackoffPolicy:
    """
    Make the policy of a name.

    :raises ConfigurationError: if there is none
    """
    return BackoffPolicy.choose_backoff_policy(name).from_config(message_retry_visibility_timeout_seconds)
