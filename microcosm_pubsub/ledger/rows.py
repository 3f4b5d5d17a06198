"""
Rows of the ledger, and what they keep of results and errors.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from json import dumps, loads
from traceback import TracebackException
from typing import Any

from microcosm_pubsub.calls.errors import CallError
from microcosm_pubsub.calls.plain import to_plain
from microcosm_pubsub.errors import article
from microcosm_pubsub.ledger.states import State
from microcosm_pubsub.result import MessageHandlingResult, find_user_frames


#: A longer result is not kept.
MAX_RESULT_BYTES = 1024 * 1024

#: At most this much of an error is kept: of its text, and the last of its frames.
MAX_ERROR_LENGTH = 2000
MAX_FRAMES = 8
MAX_TRACEBACK_LENGTH = 8000

#: Milliseconds since the epoch.
Millis = int


@dataclass(frozen=True, slots=True)
class TaskRow:
    """
    A task, as the ledger has it; its times are milliseconds since the epoch.

    :param seq: numbers the rows in the order in which they were written
    :param id: identifies the task
    :param name: of its function
    :param queue: the queue whose workers run it
    :param call: the call as it travels, JSON
    :param group_id: its message group
    :param cursor_key: at which it takes turns with others
    :param due_at: when it is to run at the earliest; 0 is at once
    :param look_at: when somebody must see to it
    :param publishes: how often it was published since it was last begun
    :param attempts: how often it was begun
    :param max_attempts: how often it may be; None if only its queue limits that
    :param attempts_before: of the attempts, those before it had failed, and was sent back by somebody
    :param is_cancelled: whether it is to stop
    :param worker: the host and process that runs it, or ran it last
    :param retried_from: the id of the task that it repeats
    :param result: JSON
    :param error: JSON
    """

    seq: int
    id: str
    name: str
    queue: str
    state: State
    call: str
    group_id: str | None
    cursor_key: str | None
    created_at: Millis
    due_at: Millis
    published_at: Millis | None = None
    started_at: Millis | None = None
    finished_at: Millis | None = None
    look_at: Millis | None = None
    publishes: int = 0
    attempts: int = 0
    max_attempts: int | None = None
    attempts_before: int = 0
    is_cancelled: bool = False
    worker: str | None = None
    trace_id: str | None = None
    retried_from: str | None = None
    result: str | None = None
    error: str | None = None

    @property
    def counted_attempts(self) -> int:
        """Return how often it was begun of as often as it may be."""
        return self.attempts - self.attempts_before

    @property
    def arguments(self) -> Any:
        """Return its arguments, as they travel."""
        return loads(self.call).get("params")

    def to_dict(self) -> dict[str, Any]:
        """Return its facts, for people and machines."""
        times = ("created_at", "due_at", "published_at", "started_at", "finished_at")
        return {
            "id": self.id,
            "name": self.name,
            "queue": self.queue,
            "state": str(self.state),
            "arguments": self.arguments,
            "cursor_key": self.cursor_key,
            "attempts": self.attempts,
            "max_attempts": self.max_attempts,
            **{name: to_time(getattr(self, name)) for name in times},
            "worker": self.worker,
            "trace_id": self.trace_id,
            "retried_from": self.retried_from,
            "result": None if self.result is None else loads(self.result),
            "error": None if self.error is None else loads(self.error),
        }


NAMES = tuple(column.name for column in fields(TaskRow))


def from_values(values: Mapping[str, Any]) -> TaskRow:
    """Return the row that the values of columns stand for."""
    return TaskRow(**{**{name: values[name] for name in NAMES}, "state": State(values["state"])})


def to_time(millis: Millis | None) -> str | None:
    """Return a time for people and machines; None if it is none."""
    return datetime.fromtimestamp(millis / 1000, UTC).isoformat(timespec="milliseconds") if millis else None


def write_result(value: Any) -> str:
    """
    Return a task's value as JSON.

    :raises CallError: if that cannot be kept
    """
    try:
        text = dumps(to_plain(value), allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise CallError(f"The result, {article(value)}, cannot be written as JSON: {error}") from error
    if len(text) > MAX_RESULT_BYTES:
        raise CallError(f"The result has {len(text)} bytes, and {MAX_RESULT_BYTES} are kept at most")
    return text


def write_error(error: BaseException) -> str:
    """Return the record of an error, as JSON."""
    traceback = find_user_frames(error.__traceback__)
    told = TracebackException(type(error), error, traceback, limit=-MAX_FRAMES, compact=True)
    frames = "".join(told.format(chain=False))
    return dumps(
        {
            "type": type(error).__qualname__,
            "message": clean(say(error))[:MAX_ERROR_LENGTH],
            "traceback": clean(frames)[-MAX_TRACEBACK_LENGTH:],
        }
    )


def write_reason(kind: str, reason: str) -> str:
    """Return why a task ended without an error of its own, as JSON."""
    return dumps({"type": kind, "message": clean(reason)[:MAX_ERROR_LENGTH], "traceback": None})


def say_error(result: MessageHandlingResult) -> str | None:
    """Return the record of why a task did not end well, as JSON."""
    if result.exc_info is not None:
        return write_error(result.exc_info[1])
    reason = result.extra.get("reason")
    return write_reason(str(result.result), str(reason)) if reason else None


def say(error: BaseException) -> str:
    """Return the text of an error, which user code wrote."""
    try:
        return str(error)
    except Exception as problem:
        return f"its text cannot be had: {type(problem).__qualname__}"


def clean(text: str) -> str:
    """Return a text that every database stores."""
    return text.replace("\0", " ").encode(errors="replace").decode()
