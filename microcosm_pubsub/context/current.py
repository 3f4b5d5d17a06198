"""
The messages that are being handled here: in this thread, or in this coroutine.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from contextvars import ContextVar

from microcosm_pubsub.fast.context_value import with_value
from microcosm_pubsub.message import SQSMessage


MESSAGES: ContextVar[tuple[SQSMessage, ...]] = ContextVar("messages_being_handled", default=())


def current_message() -> SQSMessage:
    """
    Return the message that is being handled here: in this thread, or in this coroutine.

    :raises LookupError: if none is
    """
    return current_messages()[-1]


def current_messages() -> tuple[SQSMessage, ...]:
    """
    Return the messages that are being handled here, in their order: those of the batch, for a batch handler.

    :raises LookupError: if none are
    """
    messages = MESSAGES.get()
    if not messages:
        raise LookupError("No message is being handled here; a thread that a handler starts has a context of its own")
    return messages


def current_messages_or_none() -> tuple[SQSMessage, ...]:
    """Return the messages that are being handled here; none is no error."""
    return MESSAGES.get()


def handling(message: SQSMessage) -> AbstractContextManager[None]:
    """Note that a message is being handled while the block runs."""
    return with_value(MESSAGES, (*MESSAGES.get(), message))
