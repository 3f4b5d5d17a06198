"""
The fate of a message that was not handled: another attempt, and when, or the dead-letter queue.

    @handles(OrderSchema, retry=RetryPolicy(max_attempts=5, backoff=[1, 10, 60], give_up_on=InvalidOrder))

Every wait is the message's visibility timeout at its queue; nothing sleeps here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from logging import getLogger
from typing import Any

from microcosm_pubsub.backoff import BackoffPolicy, ListBackoffPolicy, NaiveBackoffPolicy
from microcosm_pubsub.errors import ConfigurationError
from microcosm_pubsub.message import SQSMessage
from microcosm_pubsub.result import MessageHandlingResult


logger = getLogger(__name__)

Errors = type[BaseException] | tuple[type[BaseException], ...]


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """
    Decide whether and when a message that was not handled is tried again.

    :param max_attempts: the number of attempts after which a message is given up, whatever else is said; None is never
    :param backoff: when it is tried again: a policy, a number of seconds, or one number per attempt, the last one for
        all further ones; None is what config `sqs_consumer.backoff_policy` says. A `Nack` has its own time.
    :param retry_on: errors that may pass; any other gives the message up
    :param give_up_on: errors that will not
    :raises ConfigurationError: if a value cannot work
    """

    max_attempts: int | None = None
    backoff: BackoffPolicy | float | Sequence[float] | None = None
    retry_on: Errors = BaseException
    give_up_on: Errors = ()

    def __post_init__(self) -> None:
        if self.max_attempts is not None and not (type(self.max_attempts) is int and self.max_attempts > 0):
            raise ConfigurationError(f"RetryPolicy: max_attempts is {self.max_attempts!r}, but must be at least 1")
        for name in ("retry_on", "give_up_on"):
            errors = getattr(self, name)
            for error in errors if isinstance(errors, tuple) else (errors,):
                if not (isinstance(error, type) and issubclass(error, BaseException)):
                    raise ConfigurationError(f"RetryPolicy: {name} holds {error!r}, which is no class of errors")
        object.__setattr__(self, "backoff", to_backoff_policy(self.backoff))

    def judge(self, message: SQSMessage, result: MessageHandlingResult) -> None:
        """Let a result say whether its message is given up, and otherwise when it is tried again."""
        if message.error is not None:
            # Nobody will ever be able to read it.
            result.dead_letter = True
        if not result.retry or result.dead_letter:
            return
        if self.gives_up(message, result):
            result.dead_letter = True
        elif isinstance(self.backoff, BackoffPolicy):
            result.retry_timeout_seconds = compute_seconds(self.backoff, message, result.retry_timeout_seconds)

    def gives_up(self, message: SQSMessage, result: MessageHandlingResult) -> bool:
        """Return whether a message that was not handled is not tried again."""
        if result.dead_letter or message.error is not None or self.is_used_up(message):
            return True
        error = result.exc_info[1] if result.exc_info else None
        return error is not None and self.is_final(error)

    def is_final(self, error: BaseException) -> bool:
        """Return whether an error gives the message up, however often it was tried."""
        return isinstance(error, self.give_up_on) or not isinstance(error, self.retry_on)

    def is_used_up(self, message: SQSMessage) -> bool:
        """Return whether this receive of a message was its last attempt."""
        return self.max_attempts is not None and (message.attempts or 0) >= self.max_attempts


def compute_seconds(backoff: BackoffPolicy, message: SQSMessage, asked_seconds: int | None) -> int | None:
    """Return when a message is tried again by a policy, or the time that was asked for if the policy cannot tell."""
    # A policy is user code, called outside of the ring that contains handlers.
    try:
        return int(backoff.compute_backoff_timeout(message, asked_seconds))
    except Exception:
        logger.exception("%s cannot tell when message %s is tried again", type(backoff).__name__, message.message_id)
        return asked_seconds


def to_backoff_policy(backoff: Any) -> BackoffPolicy | None:
    """
    Return the backoff policy that a policy, a number of seconds, or several of them, stand for.

    :raises ConfigurationError: if it stands for none
    """
    if backoff is None or isinstance(backoff, BackoffPolicy):
        return backoff
    times = backoff if isinstance(backoff, (list, tuple)) else [backoff]
    if not times or not all(isinstance(time, (int, float)) and time >= 0 and type(time) is not bool for time in times):
        raise ConfigurationError(
            f"RetryPolicy: backoff is {backoff!r}, but must be a backoff policy, a number of seconds, or a list of them"
        )
    return ListBackoffPolicy(times) if isinstance(backoff, (list, tuple)) else NaiveBackoffPolicy(backoff)
