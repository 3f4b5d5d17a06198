"""
The result of handling one message.

A `MessageHandlingResult` is all that leaves the handling of a message: exceptions are turned into one by `capture`,
the innermost of the three rings.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from logging import DEBUG, ERROR, INFO, WARNING, Logger, LoggerAdapter, makeLogRecord
from os import sep
from pathlib import Path
from threading import current_thread, main_thread
from time import perf_counter, time
from types import TracebackType
from typing import Any, NamedTuple, Protocol

from microcosm.errors import LockedGraphError

from microcosm_pubsub.constants import IDENTITY_KEY, MESSAGE_ID_KEY, PUBLISHED_KEY, UNKNOWN_MEDIA_TYPE
from microcosm_pubsub.errors import DeadLetter, HandlerSignal, IgnoreMessage, Nack, PubSubError, SkipMessage, TTLExpired
from microcosm_pubsub.message import Replaceable, SQSMessage, find_value


ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None]


class MessageHandlingResultTypeInfo(NamedTuple):
    """
    The meaning of an outcome.

    :param label: its name in metrics
    :param level: the level at which it is logged
    :param retry: whether the message is nacked (True) or acked (False)
    :param exc_info: whether the log line carries a traceback
    """

    label: str
    level: int
    retry: bool = False
    exc_info: bool = False


class MessageHandlingResultType(Enum):
    """The outcomes of handling a message, with their meanings as values and attributes."""

    SUCCEEDED = MessageHandlingResultTypeInfo("succeeded", INFO)
    SKIPPED = MessageHandlingResultTypeInfo("skipped", INFO)
    IGNORED = MessageHandlingResultTypeInfo("ignored", DEBUG)
    EXPIRED = MessageHandlingResultTypeInfo("expired", WARNING)
    RETRIED = MessageHandlingResultTypeInfo("retried", INFO, retry=True)
    FAILED = MessageHandlingResultTypeInfo("failed", ERROR, retry=True, exc_info=True)

    def __init__(self, label: str, level: int, retry: bool, exc_info: bool) -> None:
        self.label = label
        self.level = level
        self.retry = retry
        self.exc_info = exc_info

    def __str__(self) -> str:
        return self.name


class ErrorReporter(Protocol):
    """Reports a result: `sentry.SentryConfigPubsub` is one."""

    def report(self, result: MessageHandlingResult, opaque: Mapping[str, Any] | None) -> None: ...


@dataclass(slots=True)
class MessageHandlingResult(Replaceable):
    """
    The result of handling one message.

    :param media_type: the message's media type
    :param result: the outcome
    :param exc_info: the error behind a FAILED outcome
    :param extra: more keys for the log line, such as a signal's `reason`
    :param elapsed_time: how long handling took, in milliseconds
    :param handle_start_time: how long the message waited from publish to handling, in seconds
    :param retry_timeout_seconds: the timeout that a `Nack` asked for, or the retry policy
    :param dead_letter: whether the message is given up, and goes to the dead-letter queue
    :param raised: whether it was raised, and not returned
    """

    media_type: str | None
    result: MessageHandlingResultType
    exc_info: ExcInfo | None = None
    extra: dict[str, Any] = field(default_factory=dict)
    elapsed_time: float | None = None
    handle_start_time: float | None = None
    retry_timeout_seconds: int | None = None
    dead_letter: bool = False
    raised: bool = False

    @property
    def outcome(self) -> MessageHandlingResultType:
        """Return the outcome: `result`, by the word that the docs have for it."""
        return self.result

    @classmethod
    def invoke(cls, handler: Callable[[Any], Any], message: SQSMessage) -> MessageHandlingResult:
        """Call a handler with the message's content and return its result, even if it raises."""
        return cls.capture(lambda message: handler(message.content), message)

    @classmethod
    def capture(
        cls,
        call: Callable[[SQSMessage], Any],
        message: SQSMessage,
        clock: Callable[[], float] = perf_counter,
        now: Callable[[], float] = time,
    ) -> MessageHandlingResult:
        """
        Call `call` with the message and return its result, even if it raises.

        :param clock: measures the time that the call takes, in seconds
        :param now: tells the time of day, in seconds since the epoch
        """
        started_at = now()
        start = clock()
        # The innermost ring: a handler is user code, and whatever it raises is a result, sys.exit() included.
        try:
            instance = cls.from_result(message, call(message))
        except BaseException as error:
            if is_interrupt(error):
                raise
            instance = cls.from_error(message, error)
        instance.elapsed_time = (clock() - start) * 1000
        # Read it only now: a layer may have said when the message was published.
        instance.handle_start_time = waited_seconds(message, started_at)
        return instance

    @classmethod
    def from_result(cls, message: SQSMessage, result: Any) -> MessageHandlingResult:
        """Turn the value of a handler into a result."""
        outcome = MessageHandlingResultType.SUCCEEDED if result else MessageHandlingResultType.SKIPPED
        # Otherwise who forgot to return something would see that the handler did its work, and read that it did not.
        extra = {"reason": RETURNED_NONE} if result is None else {}
        return cls(media_type=message.media_type, result=outcome, extra=extra)

    @classmethod
    def from_error(cls, message: SQSMessage, error: BaseException) -> MessageHandlingResult:
        """Turn the error of a handler into a result."""
        match error:
            case Nack():
                outcome = MessageHandlingResultType.RETRIED
            case SkipMessage():
                outcome = MessageHandlingResultType.SKIPPED
            case IgnoreMessage():
                outcome = MessageHandlingResultType.IGNORED
            case TTLExpired():
                outcome = MessageHandlingResultType.EXPIRED
            case _:
                extra = dict(error.extra) if isinstance(error, DeadLetter) else {}
                name = getattr(message.route, "name", None)
                if isinstance(name, str):
                    # A task that was abandoned is told by its name, too.
                    extra["method"] = name
                return cls(
                    media_type=message.media_type,
                    result=MessageHandlingResultType.FAILED,
                    exc_info=(type(error), error, error.__traceback__),
                    extra=extra,
                    dead_letter=isinstance(error, DeadLetter),
                    raised=True,
                )
        reason = {"reason": error.reason} if error.reason else {}
        return cls(
            media_type=message.media_type,
            result=outcome,
            extra={**error.extra, **reason},
            retry_timeout_seconds=error.visibility_timeout_seconds if isinstance(error, Nack) else None,
            raised=True,
        )

    @property
    def retry(self) -> bool:
        """Return whether the message is nacked rather than acked."""
        return self.result.retry

    def log(self, logger: Logger | LoggerAdapter[Any], opaque: Mapping[str, Any] | None = None, fate: str = "") -> None:
        """
        Write one log line.

        :param opaque: the context of the message, whose keys become keys of the line
        :param fate: what becomes of the message, for who reads the line
        """
        if not logger.isEnabledFor(self.result.level):
            return
        # `_name_` is a plain attribute: `name` is looked up by two functions, each time.
        outcome = self.result._name_
        error = self.exc_info[1] if self.exc_info else None
        why = describe(error) if error else str(self.extra.get("reason") or "")
        entry = {**(opaque or {}), **self.extra, "media_type": self.media_type, "result": outcome}
        if error is not None:
            entry["error"] = type(error).__name__
        if self.elapsed_time is not None:
            entry["elapsed_time"] = self.elapsed_time
        method = self.extra.get("method")
        args = (
            outcome,
            self.media_type or UNKNOWN_MEDIA_TYPE,
            f" {method} {entry.get(IDENTITY_KEY) or ''}".rstrip() if method else "",
            entry.get(MESSAGE_ID_KEY),
            fate,
            f": {why}" if why else "",
        )
        # Our own errors, and the signals of a handler, say what is wrong; a handler's other errors need a traceback.
        told = isinstance(error, (PubSubError, HandlerSignal))
        exc_info = self.exc_info if self.result.exc_info and not told else None
        if exc_info is not None and not logger.isEnabledFor(DEBUG):
            exc_info = (exc_info[0], exc_info[1], find_user_frames(exc_info[2]))
        if not RESERVED.isdisjoint(entry):
            entry = {(f"{key}_" if key in RESERVED else key): value for key, value in entry.items()}
        if not isinstance(logger, Logger):
            # An adapter, or a mock, does no more than log.
            logger.log(self.result.level, LOG_TEXT, *args, exc_info=exc_info, extra=entry)
            return
        # This is logger.log() without its search of the stack: the caller is always this function.
        record = logger.makeRecord(logger.name, self.result.level, __file__, LOG_LINE, LOG_TEXT, args, exc_info, "log")
        record.__dict__.update(entry)
        logger.handle(record)

    def error_reporting(
        self,
        sentry_config: ErrorReporter | None,
        opaque: Mapping[str, Any] | None = None,
    ) -> None:
        """Report a FAILED or EXPIRED result, if error reporting is configured."""
        # Most results are not reported.
        if sentry_config is not None and self.result.level >= WARNING:
            sentry_config.report(self, opaque)

    def resolve(self, message: SQSMessage) -> MessageHandlingResult:
        """Make the outcome true at the queue, at once, and return this result."""
        if self.retry:
            message.nack(self.retry_timeout_seconds)
        else:
            message.ack()
        return self


RETURNED_NONE = "The handler returned None, and not something truthy, as it must unless it is annotated with `-> None`"
LOG_TEXT = "%s: %s%s (message %s%s)%s"
LOG_LINE = MessageHandlingResult.log.__code__.co_firstlineno

#: Attributes of a log record, which an `extra` may not set.
#: https://docs.python.org/3/library/logging.html#logging.Logger.debug
RESERVED = frozenset(vars(makeLogRecord({}))) | {"message", "asctime", "taskName"}

#: The folder of our own frames.
PACKAGE = f"{Path(__file__).parent}{sep}"

#: The most characters of an error's text for which a log line has room.
MAX_ERROR_LENGTH = 300


def describe(error: BaseException) -> str:
    """Return an error in one line: its class and the beginning of its text."""
    try:
        text = " ".join(str(error).split())
    except Exception:
        # An error's own text is somebody's code, and what is told here only tells others.
        text = "(its text cannot be told, since its __str__ raises)"
    if isinstance(error, LockedGraphError):
        # It tells the name alone, and is met by who asks for a component while a message is handled.
        text = f"the graph has no {text}, and makes no more once it is locked: name it in the daemon's `components`"
    text = text if len(text) <= MAX_ERROR_LENGTH else f"{text[:MAX_ERROR_LENGTH]}..."
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def is_interrupt(error: BaseException) -> bool:
    """Return whether an error is an interrupt that is meant for the program, and that no handler or layer raised."""
    return isinstance(error, KeyboardInterrupt) and current_thread() is main_thread()


def find_user_frames(traceback: TracebackType | None) -> TracebackType | None:
    """Return a traceback from the first frame that is not ours; all of it, if they all are."""
    found = traceback
    while found is not None and found.tb_frame.f_code.co_filename.startswith(PACKAGE):
        found = found.tb_next
    return traceback if found is None else found


def waited_seconds(message: SQSMessage, at: float) -> float | None:
    """
    Return the seconds from when a message was published; None if it does not tell, or not as a number.

    :param at: until when, in seconds since the epoch
    """
    try:
        opaque_data = message.opaque_data
        published = find_value(opaque_data, PUBLISHED_KEY) if opaque_data else None
        return None if published is None else max(0.0, at - float(published))
    except (TypeError, ValueError, OverflowError):
        return None
