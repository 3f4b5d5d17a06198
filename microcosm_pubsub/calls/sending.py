"""
Sending a task: elsewhere or here, now or later, with hooks of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol

from microcosm_pubsub.calls.functions import TaskFunction
from microcosm_pubsub.calls.options import DEFAULT_SEND_OPTIONS, SendOptions
from microcosm_pubsub.errors import ConfigurationError


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
