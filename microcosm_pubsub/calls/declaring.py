"""
The declaration of tasks: `@task`, `@tasks` for classes that have a queue of their own, and `@hook`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from datetime import timedelta
from typing import Any, ParamSpec, TypeVar, Unpack, overload

from microcosm.hooks import on_resolve

from microcosm_pubsub.calls.functions import (
    DEFAULT_QUEUE,
    Task,
    TaskFunction,
    TaskRegistry,
)
from microcosm_pubsub.calls.hooks import NO_HOOKS, Hook, TaskHooks, check_hook, check_hooks
from microcosm_pubsub.calls.jobs import JobTask, make_execute
from microcosm_pubsub.calls.message import check_name
from microcosm_pubsub.calls.recurring import Recurrence
from microcosm_pubsub.decorators import end_in_one_line
from microcosm_pubsub.errors import ConfigurationError
from microcosm_pubsub.registry.media_type import describe_name
from microcosm_pubsub.registry.options import HandlerOptions, Options


P = ParamSpec("P")
R = TypeVar("R")
F = TypeVar("F", bound=Callable[..., Any])
C = TypeVar("C", bound=type)

#: The options of `@handles` that a task has: it is one call, and knows no batches.
HANDLER_OPTIONS = tuple(option.name for option in fields(HandlerOptions) if not option.name.startswith("batch_"))


@overload
def task(function: Callable[P, R], /) -> TaskFunction[P, R]: ...


@overload
def task(
    *,
    name: str | None = None,
    queue: str = DEFAULT_QUEUE,
    on_start: Hook | None = None,
    on_success: Hook | None = None,
    on_error: Hook | None = None,
    task_class: type[Task] = Task,
    ledger: bool = False,
    every: timedelta | None = None,
    cron: str | None = None,
    timezone: str = "UTC",
    catch_up: bool = True,
    **options: Unpack[Options],
) -> Callable[[Callable[P, R]], TaskFunction[P, R]]: ...


def task(
    function: Any = None,
    /,
    *,
    name: str | None = None,
    queue: str = DEFAULT_QUEUE,
    on_start: Hook | None = None,
    on_success: Hook | None = None,
    on_error: Hook | None = None,
    task_class: type[Task] = Task,
    ledger: bool = False,
    every: timedelta | None = None,
    cron: str | None = None,
    timezone: str = "UTC",
    catch_up: bool = True,
    **options: Any,
) -> Any:
    """
    Let a function be called elsewhere: `@task`, or `@task(queue="images", retry=RetryPolicy(...))`.

    :param name: by which messages name it; by default its module and its own
    :param queue: names the media type of its messages
    :param on_start: called with the task before each attempt
    :param on_success: called with the task and its result
    :param on_error: called with the task and the error, after each attempt that failed
    :param task_class: writes and reads its arguments
    :param ledger: whether its calls are remembered: their states and results, in a database
    :param every: the time from one sending to the next
    :param cron: or when this says, five fields
    :param timezone: the time zone of `cron`, by its IANA name
    :param catch_up: whether a time at which no daemon ran is made up for, once
    :param options: how its handler wants its messages: `HandlerOptions` by name
    :raises ConfigurationError: if it is no function, or an option is not known or cannot work; a program that does not
        catch it ends with one line that names the function
    """

    def decorator(func: Callable[..., Any]) -> TaskFunction[..., Any]:
        named = on_start is not None or on_success is not None or on_error is not None
        try:
            hooks = TaskHooks(on_start, on_success, on_error) if named else NO_HOOKS
            check_hooks(hooks)
            recurrence = make_recurrence(every, cron, timezone, catch_up)
            wanted = HandlerOptions.make(options, (*(task.__kwdefaults__ or ()), *HANDLER_OPTIONS))
            made = TaskFunction(func, name, queue, hooks, task_class, wanted, ledger, recurrence)
        except ConfigurationError as error:
            raise end_in_one_line(ConfigurationError(f"@task of {describe_name(func)}: {error}")) from None
        on_resolve(TaskRegistry, _register, made)
        return made

    return decorator if function is None else decorator(function)


def tasks(queue: str, *, ledger: bool = True, **options: Unpack[Options]) -> Callable[[C], C]:
    """
    Let a class run all tasks of a queue, which it tells apart by their method.

        @tasks("echo")
        class Echo:
            def execute(self, job: Job) -> str:
                return f"hello, {job.args['name']} from method={job.method}"

        graph.pubsub_tasks.call("echo", "hello", {"name": "Andy"})

    It is made once for a graph: with the graph, if its `__init__` takes something.

    :param queue: its name
    :param ledger: whether its calls are remembered, in a database; without that a job has no cursor
    :param options: how its handler wants its messages: `HandlerOptions` by name
    :raises ConfigurationError: if an option is not known, or cannot work, or the class has no `execute`
    """
    check_name("queue", queue)

    def decorator(cls: C) -> C:
        try:
            made = TaskFunction(
                make_execute(cls, queue),
                name=queue,
                queue=queue,
                task_class=JobTask,
                options=HandlerOptions.make(dict(options), ("ledger", *HANDLER_OPTIONS)),
                ledger=ledger,
            )
        except ConfigurationError as error:
            raise end_in_one_line(ConfigurationError(f"@tasks of {describe_name(cls)}: {error}")) from None
        on_resolve(TaskRegistry, _register, made)
        return cls

    return decorator


def make_recurrence(every: timedelta | None, cron: str | None, timezone: str, catch_up: bool) -> Recurrence | None:
    """Return when a task is sent again and again; None if it is not."""
    if every is None and cron is None and (timezone != "UTC" or catch_up is not True):
        raise ConfigurationError(
            "timezone and catch_up are of use with `every` or `cron` alone: one of them is missing"
        )
    if cron is None and timezone != "UTC":
        raise ConfigurationError("timezone is of use with `cron` alone: `every` is the same everywhere")
    return None if every is None and cron is None else Recurrence(every, cron, timezone, catch_up)


def hook(function: F) -> F:
    """
    Let a function be named as a hook when a task is sent: workers run no function that is not declared.

        @hook
        def log_start(task: Task) -> None: ...

        resize.options(on_start=log_start).send(12)

    :raises ConfigurationError: if it is no function, or a coroutine function
    """
    try:
        check_hook("@hook", function)
    except ConfigurationError as error:
        raise end_in_one_line(error) from None
    on_resolve(TaskRegistry, _register_hook, function)
    return function


def _register(registry: TaskRegistry, function: TaskFunction[..., Any]) -> None:
    registry.register(function)


def _register_hook(registry: TaskRegistry, function: Hook) -> None:
    registry.register_hook(function)
