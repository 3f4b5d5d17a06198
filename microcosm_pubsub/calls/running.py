"""
A task that runs: its attempt, its hooks, and whether it is tried again.
"""

from __future__ import annotations

from asyncio import CancelledError
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from logging import getLogger
from math import inf
from typing import Any, Protocol

from microcosm_pubsub.calls.errors import CallError, InvalidParams, NoLedger
from microcosm_pubsub.calls.functions import CURSOR, Task, TaskFunction
from microcosm_pubsub.calls.handler import CallHandler, make_call_handler
from microcosm_pubsub.calls.hooks import EVENTS, NO_HOOKS, Hook, TaskHooks
from microcosm_pubsub.calls.message import find_problem
from microcosm_pubsub.constants import IDENTITY_KEY
from microcosm_pubsub.errors import DeadLetter, HandlerError, HandlerSignal, LeaseLost
from microcosm_pubsub.message import SQSMessage, find_value
from microcosm_pubsub.registry import HandlerOptions, Route
from microcosm_pubsub.result import is_interrupt
from microcosm_pubsub.types import Handler


logger = getLogger(__name__)


class Record(Protocol):
    """The record of a task that runs."""

    cursor: dict[str, Any]
    value: Any


class Records(Protocol):
    """Finds that."""

    def find(self, message: SQSMessage) -> Record | None: ...


class QueueHandler:
    """
    Handle the tasks of one queue: each function has a handler of its own.

    :param queue: its name
    :param functions: those that run here
    :param hooks: of all tasks
    :param find_hook: finds a hook that a message names; None if nobody declared it
    :param records: finds what is remembered of those that run; None if nothing is, of any
    :param remembers: says of which of them something is
    """

    def __init__(
        self,
        queue: str,
        functions: Iterable[TaskFunction[..., Any]],
        hooks: TaskHooks,
        find_hook: Callable[[str], Hook | None],
        records: Records | None = None,
        remembers: Callable[[TaskFunction[..., Any]], bool] = lambda function: False,
    ) -> None:
        self.records = records
        self.remembers = remembers
        self.queue = queue
        self.functions = {function.name: function for function in functions}
        self.hooks = hooks
        self.find_hook = find_hook
        #: The number of failures of hooks, by the event that they were called for.
        self.failed_hooks: Counter[str] = Counter()
        #: The runs of tasks that run at once, without a queue, by the id of their message; None before one begins.
        self.local: dict[str, TaskRun | None] = {}
        self.__qualname__ = f"tasks of queue {queue}"

    def iter_parts(self) -> Iterable[tuple[str, Handler, HandlerOptions]]:
        """
        Iterate over the names, the handlers and the options of the functions.

        :raises ConfigurationError: if one must be remembered, and there is no database
        """
        for name, function in self.functions.items():
            handler, options = self.make_handler(function), function.handler_options
            handler.has_ledger = self.remembers(function)
            if handler.has_ledger and self.records is None:
                raise NoLedger(f"Task {name} is to be remembered")
            # The effects of a task and its end are written in one transaction.
            yield name, handler, replace(options, transaction=True) if handler.has_ledger else options

    def choose(self, message: SQSMessage) -> str | None:
        """Return the name of the function that a message calls; None if it is no call."""
        content = message.content
        return content["method"] if find_problem(content) is None else None

    def __call__(self, message: SQSMessage, /) -> None:
        """Give up a message that is no call, or whose function is not known here."""
        if problem := find_problem(message.content):
            raise DeadLetter(f"The message is no call of a task: {problem}")
        name = message.content["method"]
        raise DeadLetter(
            f"No task {name!r} is declared here (queue {self.queue}): import the module that declares it, or give it "
            f"that name, if it has another one now: @task(name={name!r}); then run this message again"
        )

    def make_handler(self, function: TaskFunction[..., Any]) -> CallHandler:
        """
        Return the handler of a function.

        :raises ConfigurationError: if nothing is known that JSON could say of one of its parameters
        """
        _ = function.parameters.schema
        return make_call_handler(function.function, function.parameters, Beginning(self, function))

    def find_hooks(self, names: Mapping[str, str]) -> TaskHooks:
        """Return the hooks that a message names, as far as they are declared here."""
        found: dict[str, Hook] = {}
        for event, name in names.items():
            if (known := self.find_hook(name)) is None:
                # The task itself can run without it.
                self.failed_hooks[event] += 1
                logger.warning("The hook %s, for %s of a task, is not declared here by @hook", name, event)
            elif event in EVENTS:
                found[event] = known
        return TaskHooks(**found)


class Beginning:
    """
    Begin the calls of one function.

    What is the same for all of them is found out once, since a task is to cost little more than a message.

    :param handler: of its queue
    :param function: the function
    """

    def __init__(self, handler: QueueHandler, function: TaskFunction[..., Any]) -> None:
        self.handler = handler
        self.function = function
        self.load = function.parameters.load if function.task_class.deserialize is Task.deserialize else None
        self.own = function.parameters.declared.own
        self.has_cursor = function.parameters.declared.has_own_dict
        self.hooks = tuple(each for each in (function.hooks, handler.hooks) if each is not NO_HOOKS)

    def __call__(self, message: SQSMessage, given: dict[str, Any]) -> TaskRun:
        """
        Begin a call.

        :param given: the arguments that are given to the function here
        :raises DeadLetter: if its arguments do not fit the function
        :raises CallError: if it is remembered by its sender, and cannot be here
        """
        function, handler, content = self.function, self.handler, message.content
        task = function.task_class(function, find_value(message.opaque_data, IDENTITY_KEY))
        try:
            if self.load is None:
                task.deserialize(content.get("params"))
            else:
                # This is what the method does, without one call more for every task.
                task.args, task.kwargs = self.load(content.get("params"))
        except InvalidParams as error:
            raise DeadLetter(f"Task {function.name}: {error}") from error
        task.message = message
        task.attempt = message.attempts or 1
        task.retries = find_retries(content.get("retries"), message)
        hooks: Sequence[TaskHooks] = self.hooks
        if content.get("hooks"):
            hooks = [*hooks[:1], handler.find_hooks(content["hooks"]), *hooks[1:]]
        record = handler.records.find(message) if handler.records is not None else None
        if record is None and content.get("ledger") is True:
            raise CallError(
                f"Task {function.name} is remembered by its sender, and this daemon has no database in which to say "
                "that it is done: set pubsub_database.url to the sender's"
            )
        if self.own:
            given = {**given, **dict.fromkeys(self.own, task)}
        if self.has_cursor:
            given = {**given, CURSOR: {} if record is None else record.cursor}
        run = TaskRun(task, given, hooks, handler.failed_hooks, record)
        if handler.local and message.message_id in handler.local:
            handler.local[message.message_id] = run
        if hooks or task.retries != inf:
            run.start()
        return run


class TaskRun:
    """
    One attempt of a task.

    :param task: the call
    :param given: the function's arguments that are given where it runs
    :param hooks: are called around it
    :param failed_hooks: counts those that fail
    :param record: its row in the ledger, if it has one
    """

    __slots__ = ("args", "failed_hooks", "hooks", "kwargs", "record", "route", "task", "value")

    def __init__(
        self,
        task: Task,
        given: Mapping[str, Any],
        hooks: Sequence[TaskHooks],
        failed_hooks: Counter[str],
        record: Record | None = None,
    ) -> None:
        self.record = record
        self.task = task
        self.args = task.args
        self.kwargs = {**task.kwargs, **given} if given else task.kwargs
        self.hooks = hooks
        self.failed_hooks = failed_hooks
        self.value: Any = None
        # The route as it was found, before anything changed it for this message.
        self.route = task.message.route if task.message is not None else None

    def start(self) -> None:
        """Tell the hooks that it begins."""
        if self.task.retries != inf:
            self._limit_retries()
        if self.hooks:
            self._call_hooks("on_start")

    def succeed(self, value: Any) -> None:
        """Tell the hooks the value that it returned, or that it came too late."""
        self.value = value
        if self.record is not None:
            self.record.value = value
        if self.hooks:
            if (lost := self._find_loss()) is None:
                self._call_hooks("on_success", value)
            else:
                self._call_hooks("on_error", lost)

    def cancel(self, error: CancelledError) -> None:
        """Tell the hooks that it was told to end."""
        text = "The coroutine was cancelled, as one is that takes longer than its timeout"
        self._call_hooks("on_error", HandlerError(text))

    def _is_final(self, error: BaseException) -> bool:
        if isinstance(error, HandlerSignal):
            # The others say themselves what becomes of the message.
            return isinstance(error, DeadLetter)
        return isinstance(self.route, Route) and self.route.policy.is_final(error)

    def _find_loss(self) -> LeaseLost | None:
        try:
            if self.task.message is not None:
                self.task.message.lease.check()
        except LeaseLost as error:
            return error
        return None

    def fail(self, error: BaseException) -> None:
        """Tell the hooks the error that it raised, and let them say whether it is tried again."""
        if self._is_final(error):
            self.task.retries = 0
        self._call_hooks("on_error", error)
        self._limit_retries()

    def _limit_retries(self) -> None:
        message = self.task.message
        if message is not None and isinstance(self.route, Route) and self.task.retries != inf:
            message.route = limit_retries(self.route, self.task)

    def _call_hooks(self, event: str, *args: Any) -> None:
        for hooks in self.hooks:
            if (hook := getattr(hooks, event)) is None:
                continue
            # A hook is user code that looks on: its error, or its exit, must not be taken for the task's.
            try:
                hook(self.task, *args)
            except BaseException as error:
                if is_interrupt(error):
                    raise
                self.failed_hooks[event] += 1
                logger.warning("The hook %s of %r failed", event, self.task, exc_info=True)


def find_retries(asked: int | None, message: SQSMessage) -> float:
    """
    Return how often a task may be tried again after this attempt.

    :param asked: how often its sender wants it to be tried again at all
    """
    max_attempts = message.route.policy.max_attempts if message.route is not None else None
    if asked is None and max_attempts is None:
        return inf
    done = (message.attempts or 1) - 1
    allowed = inf if max_attempts is None else max_attempts - 1
    return max(0, min(inf if asked is None else asked, allowed) - done)


def limit_retries(route: Route, task: Task) -> Route:
    """Return the route of a task whose retries are counted: its policy allows no more than before."""
    limit = task.attempt + max(0, int(task.retries))
    max_attempts = limit if route.policy.max_attempts is None else min(limit, route.policy.max_attempts)
    return replace(route, policy=replace(route.policy, max_attempts=max_attempts))
