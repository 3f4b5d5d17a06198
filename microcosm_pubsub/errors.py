"""
The errors of the package.

    PubSubError                        what went wrong: everything that is ours derives from it
     ├── ConfigurationError            what cannot work, refused before it starts
     ├── AlreadyRegisteredError        two answers for one media type
     ├── MessageValidationError        content that fails its schema (also a marshmallow ValidationError)
     ├── DecodeError                   a received body that cannot be read
     ├── AttemptsExhausted             a message received more often than the daemon allows
     ├── HandlerError                  a handler that did what none may: exited, or gave what is no result
     │    └── HandlerTimeout           a handler that took longer than its timeout
     ├── UnhandledMessage              a media type that the daemon does not handle, and should not ignore
     ├── LeaseLost                     a message that may be somebody else's by now
     ├── TopicNotDefinedError          a media type without a topic
     ├── PublishError                  a topic did not take a message
     ├── SettleError                   a queue did not take an ack or a nack
     ├── ReceiveError                  a queue did not answer; worth another try
     │    └── QueueAccessError         a queue will not answer until somebody changes something
     ├── ResourceError                 the resource that a message points to cannot be had
     └── EndOfInput                    a finite source of messages has been read to its end

    HandlerSignal                      what a handler raises to say what should become of its message
     ├── Nack                          not now: make it visible again after some seconds
     ├── SkipMessage                   nothing to do for this message
     ├── IgnoreMessage                 this message is not for us
     ├── TTLExpired                    this message has taken too many hops
     └── DeadLetter                    nobody will ever be able to handle this message

`HandlerSignal` is deliberately not a `PubSubError`, so that a handler's `except PubSubError`
around a `produce` never swallows what another part of the handler decided.

No message of these errors holds a message's body. None of them is a `ValueError`, `TypeError` or
`AttributeError`, which `microcosm.hooks` swallows.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from marshmallow import ValidationError


class PubSubError(Exception):
    """The base of our errors: they say what failed, on what, and what to do about it."""


class ConfigurationError(PubSubError):
    """Refuse a setting that cannot work, naming the alternatives."""


class AlreadyRegisteredError(PubSubError):
    """Refuse a second, different schema or handler for one media type."""


class MessageValidationError(PubSubError, ValidationError):
    """Refuse content that does not fit the schema of its media type."""

    #: The media type, if the body told one.
    media_type: str | None = None

    def __str__(self) -> str:
        # Below the fields of the schema, the names may be any that the content holds.
        messages = self.normalized_messages()  # type: ignore[no-untyped-call, unused-ignore]
        return str({name: sorted(set(_iter_texts(found))) for name, found in messages.items()})


class DecodeError(PubSubError):
    """Refuse a received body that cannot be turned into a message."""


class AttemptsExhausted(PubSubError):
    """Refuse to handle a message that was received more often than is allowed."""


class HandlerError(PubSubError):
    """A handler did something that it must not: it exited, or gave a value that is no result."""


class HandlerTimeout(HandlerError):
    """Say that a handler took longer than its `timeout_seconds`."""


class UnhandledMessage(PubSubError):
    """Refuse a message that has no schema or no handler, in a daemon that does not ignore those."""


class LeaseLost(PubSubError):
    """Say that a message may be somebody else's by now."""


class TopicNotDefinedError(PubSubError):
    """Refuse to produce a media type for which no topic is configured."""


class PublishError(PubSubError):
    """Say that a topic did not take a message; the client's error is the cause."""


class SettleError(PubSubError):
    """Say that a queue did not take an ack or a nack; the client's error is the cause."""


class ReceiveError(PubSubError):
    """Say that a receive failed in a way that may pass; the client's error is the cause."""


class QueueAccessError(ReceiveError):
    """No receive can succeed until somebody changes something, which the text names."""


class ResourceError(PubSubError):
    """Say that the resource at a message's URI cannot be had; the client's error is the cause."""


class EndOfInput(PubSubError):
    """Say that a finite source of messages (a file, stdin) has been read to its end."""


class HandlerSignal(Exception):
    """
    The base of signals that a handler raises to choose the outcome of its message.

    :param reason: why, in a few words, for the log
    :param extra: more keys for the log line
    """

    default_reason: str | None = None

    def __init__(self, reason: str | None = None, extra: dict[str, Any] | None = None) -> None:
        self.reason = reason if reason is not None else self.default_reason
        self.extra = dict(extra) if extra else {}
        super().__init__(self.reason or type(self).__name__)


class Nack(HandlerSignal):
    """
    Retry the message after a while.

    :param visibility_timeout_seconds: how long the message stays hidden, in whole seconds; 0 is at once
    """

    def __init__(
        self,
        visibility_timeout_seconds: int,
        reason: str | None = None,
        extra: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(reason, extra)
        self.visibility_timeout_seconds = visibility_timeout_seconds


class SkipMessage(HandlerSignal):
    """Skip the message: there is nothing to do for it."""


class IgnoreMessage(HandlerSignal):
    """Ignore the message: it is not meant for this daemon."""


class TTLExpired(HandlerSignal):
    """Drop the message: it, and the messages that caused it, went through too many hops."""

    default_reason = "TTL expired"


class DeadLetter(HandlerSignal):
    """Give the message up: send it to the dead-letter queue at once."""

    default_reason = "Given up by its handler"


def article(value: Any) -> str:
    """Return the name of a value's class, after "a" or "an"."""
    return with_article(type(value).__qualname__)


def with_article(name: str) -> str:
    """Return a name, after "a" or "an"."""
    # One says "you" for these.
    begins_with_vowel = name[0].lower() in "aeiou" and not name.startswith(("UUID", "URI", "URL", "UTC", "User", "Uni"))
    return f"{'an' if begins_with_vowel else 'a'} {name}"


def _iter_texts(found: Any) -> Iterator[str]:
    """Iterate over the faults, without their places."""
    if isinstance(found, Mapping):
        found = list(found.values())
    if isinstance(found, (list, tuple)):
        for each in found:
            yield from _iter_texts(each)
    else:
        yield str(found)
