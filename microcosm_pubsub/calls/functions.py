"""
Tasks: functions whose calls are carried out elsewhere.

    @task(queue="images", retry=RetryPolicy(max_attempts=3))
    def resize(image_id: int, width: int = 100) -> None: ...

    resize(12)                    # here and now
    resize.send(12, width=200)    # by a daemon, some time
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import update_wrapper
from inspect import Parameter, signature
from math import inf
from typing import Any, Generic, ParamSpec, TypeVar
from uuid import uuid4

from microcosm_pubsub.calls.hooks import NO_HOOKS, Hook, TaskHooks
from microcosm_pubsub.calls.latest import get_latest
from microcosm_pubsub.calls.message import MAX_METHOD_LENGTH, check_name
from microcosm_pubsub.calls.options import SendOptions
from microcosm_pubsub.calls.parameters import Parameters
from microcosm_pubsub.calls.recurring import Recurrence
from microcosm_pubsub.config.cached import cached_property
from microcosm_pubsub.config.program import find_module
from microcosm_pubsub.errors import AlreadyRegisteredError, ConfigurationError, article
from microcosm_pubsub.graph import PubSubGraph
from microcosm_pubsub.message import SQSMessage
from microcosm_pubsub.registry.options import HandlerOptions


P = ParamSpec("P")
R = TypeVar("R")

DEFAULT_QUEUE = "default"

#: The parameter that is given what the task before it has left: see `ledger`.
CURSOR = "cursor"


class Task:
    """
    One call of a function: on its way, or running.

    A subclass may write its arguments in another way than as parameters by name.

    :param function: the function that is called
    :param task_id: identifies the call wherever it goes
    :param args: the arguments by position
    :param kwargs: the arguments by name
    """

    def __init__(
        self,
        function: TaskFunction[..., Any],
        task_id: str | None = None,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> None:
        self.function = function
        self.task_id = task_id or str(uuid4())
        self.args = args
        self.kwargs = dict(kwargs or {})
        #: The number of the attempt, from 1; 0 before the first.
        self.attempt = 0
        #: The number of attempts left if this one fails, as its retry policy and its queue allow; `on_error` may change
        #: it.
        self.retries: float = inf
        #: The message that is handled; None if it runs where it was sent.
        self.message: SQSMessage | None = None

    @property
    def name(self) -> str:
        """Return the name of the function."""
        return self.function.name

    def serialize(self) -> Any:
        """
        Return the arguments as they travel: a list or a dict that JSON can say.

        :raises InvalidParams: if JSON cannot say one
        """
        return self.function.parameters.dump(self.args, self.kwargs)

    def deserialize(self, params: Any) -> None:
        """
        Take the arguments out of the message.

        :raises InvalidParams: if they do not fit the function
        """
        self.args, self.kwargs = self.function.parameters.load(params)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name} {self.task_id}>"


class TaskFunction(Generic[P, R]):
    """
    A function that is a task; it can be called as before.

    :param function: the function
    :param name: by which messages name it; by default its module and its own
    :param queue: names the media type of its messages, by which topics and subscriptions tell it from others
    :param hooks: are called around each call
    :param task_class: writes and reads its arguments
    :param options: how its handler wants its messages
    :param ledger: whether its calls are remembered, in a database
    :param recurrence: when it is sent again and again
    """

    def __init__(
        self,
        function: Callable[P, R],
        name: str | None = None,
        queue: str = DEFAULT_QUEUE,
        hooks: TaskHooks = NO_HOOKS,
        task_class: type[Task] = Task,
        options: HandlerOptions | None = None,
        ledger: bool = False,
        recurrence: Recurrence | None = None,
    ) -> None:
        function = require_function(function)
        update_wrapper(self, function)
        self.function = function
        self.name = require_name(name_of(function) if name is None else name)
        self.queue = check_name("queue", queue)
        self.hooks = hooks
        if not (isinstance(task_class, type) and issubclass(task_class, Task)):
            raise ConfigurationError(f"task_class is {task_class!r:.100}, but must be Task or a subclass of it")
        self.task_class = task_class
        self.handler_options = options or HandlerOptions()
        if self.handler_options.batch_size is not None:
            raise ConfigurationError("a task is one call, and has no batch_size")
        if not isinstance(ledger, bool):
            raise ConfigurationError(f"ledger is {ledger!r}, but must be true or false")
        # Nobody sends a recurring task, so the ledger alone can tell of it.
        self.ledger = ledger or recurrence is not None
        self.recurrence = recurrence
        if recurrence is not None:
            self._check_needs_nothing()

    @cached_property
    def parameters(self) -> Parameters:
        """Return the task's parameters."""
        return Parameters(self.function, own_type=Task, own_name=CURSOR)

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the function, here and now."""
        return self.function(*args, **kwargs)

    def send(self, /, *args: P.args, **kwargs: P.kwargs) -> Any:
        """
        Have the function called elsewhere, and return a handle with the id of the call.

        The graph is the one of this process whose `pubsub_tasks` was made last.

        :raises InvalidParams: if the arguments do not fit the function, or JSON cannot say one
        :raises PublishError: if the topic did not take it
        """
        return get_latest().task(self, *args, **kwargs)

    def options(self, **options: Any) -> PreparedSend[P]:
        """
        Return an object that sends the task with options: `SendOptions` by name.

        :raises ConfigurationError: if one is not known, or cannot work
        """
        return PreparedSend(self, options)

    def _check_needs_nothing(self) -> None:
        kinds = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)
        for each in self.parameters.declared.signature.parameters.values():
            if each.kind in kinds and each.default is Parameter.empty:
                raise ConfigurationError(
                    f"it is sent again and again, without arguments, and needs {each.name}: give it a default"
                )

    def __repr__(self) -> str:
        return f"<task {self.name} of queue {self.queue}>"


class PreparedSend(Generic[P]):
    """
    Send a task with options.

    :param options: `SendOptions` by name, since those of the graph's that are not named hold
    :raises ConfigurationError: if one is not known, or cannot work
    """

    def __init__(self, function: TaskFunction[P, Any], options: Mapping[str, Any]) -> None:
        SendOptions().with_options(options)
        self.function = function
        self.send_options = dict(options)

    def options(self, **options: Any) -> PreparedSend[P]:
        """
        Return an object that sends the task with more options.

        :raises ConfigurationError: if one is not known, or cannot work
        """
        return PreparedSend(self.function, {**self.send_options, **options})

    def send(self, /, *args: P.args, **kwargs: P.kwargs) -> Any:
        """Send the task, as `TaskFunction.send` does; a task that runs at once returns its value."""
        return get_latest().options(**self.send_options).task(self.function, *args, **kwargs)


class TaskRegistry:
    """Keep the tasks and the hooks that were declared, by their names."""

    def __init__(self, graph: PubSubGraph) -> None:
        self.functions: dict[str, TaskFunction[..., Any]] = {}
        self.hooks: dict[str, Hook] = {}

    def register(self, function: TaskFunction[..., Any]) -> None:
        """
        Register a task.

        :raises AlreadyRegisteredError: if another function has its name
        """
        other = self.functions.setdefault(function.name, function)
        if other is function:
            return
        if name_of(other.function) != name_of(function.function):
            raise AlreadyRegisteredError(
                f"Task {function.name} is {name_of(other.function)}; {name_of(function.function)} needs another name"
            )
        # The module was loaded once more.
        self.functions[function.name] = function

    def register_hook(self, function: Hook) -> None:
        """Register a hook, by the name of the function."""
        self.hooks[name_of(function)] = function


def require_function(function: Any) -> Callable[..., Any]:
    """
    Return the function that is to be a task.

    :raises ConfigurationError: if it is none, or is called with an instance or a class, which do not travel
    """
    if isinstance(function, staticmethod):
        function = function.__func__
    if isinstance(function, type) or not (callable(function) and hasattr(function, "__qualname__")):
        raise ConfigurationError(
            f"a task is a function, and this is {article(function)}; options are given by name: @task(name=...)"
        )
    holder = function.__qualname__.rpartition(".")[0]
    try:
        first = next(iter(signature(function).parameters), None)
    except ValueError as error:
        raise ConfigurationError(f"nothing is known of its parameters: {error}") from None
    if holder and not holder.endswith("<locals>") and first in ("self", "cls"):
        raise ConfigurationError(
            f"a method of {holder} is no task, for its {first} does not travel: declare a function, or a static method"
        )
    return function  # type: ignore[no-any-return]


def require_name(name: Any) -> str:
    """
    Return the name of a task.

    :raises ConfigurationError: if messages cannot name it so
    """
    if not (isinstance(name, str) and 0 < len(name) <= MAX_METHOD_LENGTH and name.isprintable()):
        raise ConfigurationError(
            f"the name is {name!r:.100}, but must be a text of 1 to {MAX_METHOD_LENGTH} characters that can be printed"
        )
    return name


def name_of(function: Any) -> str:
    """Return the name of a function, with its module."""
    return f"{find_module(function.__module__)}.{function.__qualname__}"
