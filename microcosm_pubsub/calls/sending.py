"""
Sending a task: elsewhere or here, now or later, with hooks of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from datetime import datetime
from types import TracebackType
from typing import Any, Protocol

from microcosm_pubsub.calls.functions import EVENTS, Hook, TaskFunction
from microcosm_pubsub.calls.merging import MERGES, Merge
from microcosm_pubsub.calls.message import MAX_ID_LENGTH
from microcosm_pubsub.errors import ConfigurationError
from microcosm_pubsub.producer import PublishOptions


MAX_KEY_LENGTH = 200


@dataclass(frozen=True, slots=True)
class SendOptions:
    """
    The options with which a task is sent.

    :param is_async: whether it runs elsewhere, some time; else it runs here and now, with the same hooks and retries,
        and sending it returns its value, or raises what it raised
    :param retries: how often it is tried again at most; its retry policy and its queue may allow less
    :param delay_seconds: how many seconds later it is published; that needs a database
    :param at: or then, a time with its zone; that needs a database too
    :param on_start: a hook, which is called where the task runs: declared by `@hook`
    :param on_success: a hook
    :param on_error: a hook
    :param task_id: identifies the call; by default it gets an id of its own
    :param group_id: its message group: FIFO topics keep the order within one
    :param cursor_key: of the tasks with a key one runs at a time, and one of each name waits; of the ledger alone
    :param merge: how the arguments of one that waits are merged: "keep", "replace", "append", or what a function of
        those of both makes of them, by name
    :raises ConfigurationError: if a value cannot work
    """

    is_async: bool = True
    retries: int | None = None
    delay_seconds: float | None = None
    at: datetime | None = None
    on_start: Hook | None = None
    on_success: Hook | None = None
    on_error: Hook | None = None
    task_id: str | None = None
    group_id: str | None = None
    cursor_key: str | None = None
    merge: str | Merge = "keep"

    def __post_init__(self) -> None:
        if not isinstance(self.is_async, bool):
            raise ConfigurationError(f"is_async is {self.is_async!r}, but must be true or false")
        if self.retries is not None and not (type(self.retries) is int and self.retries >= 0):
            raise ConfigurationError(f"retries is {self.retries!r}, but must be a whole number from 0")
        for name, limit in (("task_id", MAX_ID_LENGTH), ("cursor_key", MAX_KEY_LENGTH)):
            text = getattr(self, name)
            if text is not None and not (isinstance(text, str) and 0 < len(text) <= limit and text.isprintable()):
                raise ConfigurationError(
                    f"{name} is {text!r:.100}, but must be a text of at most {limit} characters that can be printed"
                )
        for event in EVENTS:
            if getattr(self, event) is not None and not callable(getattr(self, event)):
                raise ConfigurationError(f"{event} is {getattr(self, event)!r}, but must be a function")
        if not self.is_async and (self.delay_seconds is not None or self.at is not None):
            raise ConfigurationError("What runs here and now (is_async=False) has no delay_seconds, and no time")
        if not self.is_async and self.cursor_key is not None:
            raise ConfigurationError("What runs here and now (is_async=False) has no cursor_key")
        if not (callable(self.merge) or self.merge in MERGES):
            raise ConfigurationError(f"merge is {self.merge!r}, but must be {', '.join(MERGES)}, or a function")
        if self.cursor_key is None and self.merge != "keep":
            raise ConfigurationError("merge is of use with a cursor_key alone")
        # The producer's own checks judge the times and the group.
        self.to_publish_options()

    def with_options(self, more: Mapping[str, Any]) -> SendOptions:
        """
        Return these options, with others in their place.

        :raises ConfigurationError: if one is not known, or cannot work
        """
        known = [option.name for option in fields(self)]
        if unknown := sorted(more.keys() - set(known)):
            raise ConfigurationError(f"there is no option {', '.join(unknown)}; the options are {', '.join(known)}")
        return replace(self, **more)

    def to_publish_options(self) -> PublishOptions:
        """Return how its message is published."""
        return PublishOptions(group=self.group_id, delay_seconds=self.delay_seconds, at=self.at)

    def get_hooks(self) -> dict[str, Hook]:
        """Return its hooks, by event."""
        return {event: getattr(self, event) for event in EVENTS if getattr(self, event) is not None}


DEFAULT_SEND_OPTIONS = SendOptions()


#: Attributes that handles of the ledger have beside these.
LEDGER_NAMES = ("state", "result", "error", "cancel", "retry", "is_new", "row")


@dataclass(frozen=True, slots=True)
class TaskHandle:
    """
    A task that was sent.

    :param task_id: identifies the call
    :param name: of its function
    """

    task_id: str
    name: str

    def __getattr__(self, name: str) -> Any:
        """Explain where attributes come from that only handles of the ledger have."""
        if name in LEDGER_NAMES:
            raise AttributeError(
                f"Task {self.name} is not remembered, and has no {name}: declare it @task(ledger=True)"
            )
        raise AttributeError(f"A task's handle has no {name}")


class Sender(Protocol):
    """Sends tasks."""

    def send(
        self, function: TaskFunction[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], options: SendOptions
    ) -> Any: ...

    def find_queue(self, queue: str) -> TaskFunction[..., Any]: ...


class TaskSender:
    """
    Send tasks with some options.

    :param sender: sends them
    :param send_options: how
    """

    def __init__(self, sender: Sender, send_options: SendOptions = DEFAULT_SEND_OPTIONS) -> None:
        self.sender = sender
        self.send_options = send_options

    def task(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """
        Send a task, and return its handle; or, if it runs here and now, its value.

        :param function: that `@task` declared
        :raises ConfigurationError: if it is no task, or cannot be sent so
        :raises InvalidParams: if the arguments do not fit the function, or JSON cannot say one
        :raises PublishError: if the topic did not take it
        """
        if not isinstance(function, TaskFunction):
            name = getattr(function, "__qualname__", repr(function))
            raise ConfigurationError(f"{name} is no task: declare it with @task, so that workers know it")
        return self.sender.send(function, args, kwargs, self.send_options)

    def call(self, queue: str, method: str, args: Any = None) -> Any:
        """
        Send a job to the class that `@tasks(queue)` declares, and return its handle.

        :param args: arguments that JSON can say
        :raises ConfigurationError: if no class has the queue
        :raises InvalidParams: if JSON cannot say the arguments
        :raises PublishError: if the topic did not take it
        """
        return self.task(self.sender.find_queue(queue), method, args)

    def options(self, **options: Any) -> TaskSender:
        """
        Return a sender with more options: `SendOptions` by name; it may be used as a context manager.

        :raises ConfigurationError: if one is not known, or cannot work
        """
        return TaskSender(self.sender, self.send_options.with_options(options))

    def __enter__(self) -> TaskSender:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Do nothing: tasks that were sent in the block are on their way."""
