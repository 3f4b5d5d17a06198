"""
Classes that run all tasks of a queue: each task is a job, of a method that the class chooses by.
"""

from __future__ import annotations

from collections.abc import Callable
from inspect import iscoroutinefunction, signature
from typing import Any
from weakref import WeakKeyDictionary

from microcosm_pubsub.calls.functions import Task
from microcosm_pubsub.errors import ConfigurationError


class Job:
    """
    One task of a queue, as its class gets it.

    :param id: identifies the task
    :param queue: its queue
    :param method: its method, which its sender has chosen
    :param args: the arguments, as JSON says them
    :param cursor: the cursor that the job before it with its key has left; its value at the end is left to the next one
    """

    def __init__(self, id: str, queue: str, method: str, args: Any, cursor: dict[str, Any]) -> None:
        self.id = id
        self.queue = queue
        self.method = method
        self.args = args
        self.cursor = cursor

    def extend(self, **values: Any) -> None:
        """
        Give the job more attributes, which a queue has agreed on with its methods.

        :raises ConfigurationError: if it has one of them already
        """
        if taken := sorted(name for name in values if hasattr(self, name)):
            raise ConfigurationError(f"A job has {', '.join(taken)} already: give it another name")
        vars(self).update(values)

    def __repr__(self) -> str:
        return f"<Job {self.queue}.{self.method} {self.id}>"


class JobTask(Task):
    """A task whose name tells its method too."""

    @property
    def name(self) -> str:
        """Return the names of its queue and its method."""
        method = self.kwargs.get("method") or (self.args[0] if self.args else "")
        return f"{self.function.name}.{method}"


def make_execute(cls: type, queue: str) -> Callable[..., Any]:
    """
    Return the function that has a class run a job.

    :raises ConfigurationError: if the class has no `execute`
    """
    method = getattr(cls, "execute", None)
    if not callable(method):
        raise ConfigurationError(f"it runs the tasks of {queue}, and needs a method execute(self, job)")
    made: WeakKeyDictionary[Any, Any] = WeakKeyDictionary()

    def begin(job: Job, graph: Any) -> Any:
        if graph not in made:
            made[graph] = cls(graph) if takes_graph(cls) else cls()
        return made[graph].execute(job)

    def execute(method: str, args: Any, task: Task, cursor: dict[str, Any], graph: Any) -> Any:
        return begin(Job(task.task_id, queue, method, args, cursor), graph)

    async def execute_coroutine(method: str, args: Any, task: Task, cursor: dict[str, Any], graph: Any) -> Any:
        return await begin(Job(task.task_id, queue, method, args, cursor), graph)

    chosen: Callable[..., Any] = execute_coroutine if iscoroutinefunction(method) else execute
    # Log lines and errors name it by these.
    chosen.__module__, chosen.__qualname__ = cls.__module__, f"{cls.__qualname__}.execute"
    return chosen


def takes_graph(cls: type) -> bool:
    """Return whether a class is made with something."""
    return bool(signature(cls).parameters)
