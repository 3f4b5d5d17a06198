"""
The tasks of a graph: `graph.pubsub_tasks` sends them, and knows what handles those that run here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from json import dumps
from typing import Any

from microcosm.api import typed

from microcosm_pubsub.calls.errors import CallError, InvalidParams, NoLedger
from microcosm_pubsub.calls.functions import Task, TaskFunction, TaskRegistry, name_of
from microcosm_pubsub.calls.hooks import NO_HOOKS, TaskHooks, check_hooks
from microcosm_pubsub.calls.jobs import JobTask
from microcosm_pubsub.calls.latest import set_latest
from microcosm_pubsub.calls.local import LocalRuns
from microcosm_pubsub.calls.message import VERSION, make_task_media_type, register_calls
from microcosm_pubsub.calls.options import DEFAULT_SEND_OPTIONS, SendOptions
from microcosm_pubsub.calls.publishing import publish_call
from microcosm_pubsub.calls.recurring import Recurrence
from microcosm_pubsub.calls.running import QueueHandler
from microcosm_pubsub.calls.sending import TaskHandle, TaskSender
from microcosm_pubsub.codecs.codec import ENCODING_ERRORS
from microcosm_pubsub.config import values
from microcosm_pubsub.config.graph import defaults, find_component
from microcosm_pubsub.errors import ConfigurationError, article
from microcosm_pubsub.graph import PubSubGraph


class Tasks(TaskSender):
    """
    Send the tasks of a graph, and run those of some queues.

    :param graph: gives the producer, and what handlers need
    :param queues: the queues whose tasks run here; None is all of them
    :param hooks: are called around every task that runs here
    :param components: if tasks are among these, they alone run here
    """

    def __init__(
        self,
        graph: PubSubGraph,
        queues: Iterable[str] | None = None,
        hooks: TaskHooks = NO_HOOKS,
        components: Iterable[str] = (),
    ) -> None:
        super().__init__(self)
        self.producer = graph.sns_producer
        self.schemas = graph.pubsub_message_schema_registry
        self.registry: TaskRegistry = graph.pubsub_task_registry
        self.local = LocalRuns(graph, hooks)
        #: The ledger, which remembers tasks; None without a database.
        self.ledger = find_component(graph, "pubsub_ledger")
        records = None if self.ledger is None else self.ledger.runs
        by_queue: dict[str, list[TaskFunction[..., Any]]] = {}
        functions = self.registry.functions
        named = [functions[name] for name in components if name in functions]
        for function in named or functions.values():
            by_queue.setdefault(function.queue, []).append(function)
        chosen = sorted(by_queue) if queues is None else list(queues)
        if unknown := [queue for queue in chosen if queue not in by_queue]:
            raise ConfigurationError(
                f"No task is declared for queue {', '.join(unknown)}; there are {', '.join(sorted(by_queue)) or 'none'}"
            )
        #: The handlers of the queues of tasks that run here, by media type.
        self.handlers = {
            make_task_media_type(queue): QueueHandler(
                queue, by_queue[queue], hooks, self.registry.hooks.get, records, self.remembers
            )
            for queue in chosen
        }
        for media_type in self.handlers:
            register_calls(self.schemas, media_type)
            graph.sqs_message_handler_registry.register(media_type, self.handlers[media_type])

    def send(
        self, function: TaskFunction[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], options: SendOptions
    ) -> Any:
        """Send a task, or run it, as its options say."""
        task = function.task_class(function, options.task_id, args, kwargs)
        call = self._write(task, options)
        if not options.is_async:
            return self.local.run(make_task_media_type(function.queue), task, call, options.get_hooks())
        if self.remembers(function):
            return self._require_ledger(f"{task.name} is to be remembered").send_call(task, call, options)
        if options.cursor_key is not None:
            raise ConfigurationError(f"{task.name} has no cursors: declare it @task(ledger=True)")
        how = options.to_publish_options()
        publish_call(self.producer, self.schemas, function.queue, task.task_id, call, how)
        return TaskHandle(task.task_id, function.name)

    def remembers(self, function: TaskFunction[..., Any]) -> bool:
        """Return whether the calls of a task are remembered."""
        return function.ledger or (self.ledger is not None and self.ledger.always)

    def find(self, task_id: str) -> Any:
        """
        Return the handle of a task that was sent, out of the ledger.

        :raises CallError: if the ledger does not have it
        :raises ConfigurationError: if there is no ledger
        """
        return self._require_ledger(f"Task {task_id} is looked for").find(task_id)

    def list(self, **filters: Any) -> Sequence[Any]:
        """
        Return the handles of tasks that were sent, the newest first, out of the ledger; see `Ledger.list`.

        :param filters: `name`, `state`, `cursor_key`, `since`, `limit` and `before`
        :raises CallError: if one of these cannot be
        :raises ConfigurationError: if there is no ledger
        """
        found: Sequence[Any] = self._require_ledger("Tasks are to be listed").list(**filters)
        return found

    @property
    def has_ledger(self) -> bool:
        """Return whether tasks that run here are remembered."""
        return self.ledger is not None and any(map(self.remembers, self.iter_running()))

    @property
    def recurrences(self) -> dict[str, Recurrence]:
        """Return when the tasks that run here are sent again and again, by their names."""
        return {each.name: each.recurrence for each in self.iter_running() if each.recurrence is not None}

    def iter_running(self) -> Iterator[TaskFunction[..., Any]]:
        """Iterate over the tasks that run here."""
        for handler in self.handlers.values():
            yield from handler.functions.values()

    def make_recurring(self, name: str) -> tuple[Task, dict[str, Any]]:
        """
        Return a call of a task that is sent again and again, and how it travels.

        :raises CallError: if none of this name is declared
        """
        function = self.find_function(name)
        task = function.task_class(function)
        return task, self._write(task, DEFAULT_SEND_OPTIONS)

    def _require_ledger(self, what: str) -> Any:
        if self.ledger is None:
            raise NoLedger(what)
        return self.ledger

    def find_queue(self, queue: str) -> TaskFunction[..., Any]:
        """
        Return the function that runs all tasks of a queue.

        :raises ConfigurationError: if no class is declared for it
        """
        found = self.registry.functions.get(queue)
        if found is None or found.task_class is not JobTask:
            raise ConfigurationError(f"No class runs the tasks of {queue!r}: declare one with @tasks({queue!r})")
        return found

    def find_function(self, name: str) -> TaskFunction[..., Any]:
        """
        Return a task by its name.

        :raises CallError: if none is declared
        """
        try:
            return self.registry.functions[name]
        except KeyError:
            known = ", ".join(sorted(self.registry.functions)) or "none"
            raise CallError(
                f"No task {name!r} is declared in what was imported: import the module that declares it; there are "
                f"{known}"
            ) from None

    def _write(self, task: Task, options: SendOptions) -> dict[str, Any]:
        params = task.serialize()
        if not isinstance(params, (dict, list)):
            raise InvalidParams(
                f"{type(task).__qualname__}.serialize() of {task.name} gave {article(params)}, but must "
                "give a dict or a list"
            )
        if type(task).serialize is not Task.serialize:
            try:
                dumps(params, allow_nan=False)
            except ENCODING_ERRORS as error:
                raise InvalidParams(
                    f"{type(task).__qualname__}.serialize() of {task.name} gave what cannot be written as JSON: {error}"
                ) from error
        call: dict[str, Any] = {"jsonrpc": VERSION, "method": task.function.name, "params": params}
        if options.is_async and self.remembers(task.function):
            call["ledger"] = True
        if options.retries is not None:
            call["retries"] = options.retries
        if options.is_async and (hooks := options.get_hooks()):
            call["hooks"] = {event: self._name_hook(event, found) for event, found in hooks.items()}
        return call

    def _name_hook(self, event: str, function: Any) -> str:
        name = name_of(function) if hasattr(function, "__qualname__") else repr(function)
        if self.registry.hooks.get(name) is not function:
            raise ConfigurationError(
                f"{event} is {name}, which workers do not know: declare it with @hook, or give it to @task"
            )
        return name


def accept_hooks(value: Any) -> TaskHooks:
    """
    Accept hooks as a configuration value.

    :raises ConfigurationError: if it is anything else, or one cannot be called
    """
    if value is None:
        return NO_HOOKS
    if isinstance(value, TaskHooks):
        check_hooks(value)
        return value
    raise ConfigurationError(f"Configuration pubsub_tasks.hooks is {value!r}, but must be TaskHooks(...)")


@defaults(
    queues=typed(values.names("pubsub_tasks.queues"), default_value=None),
    hooks=typed(accept_hooks, default_value=None),
    components=typed(values.names("pubsub_tasks.components"), default_value=None),
)
def configure_pubsub_tasks(graph: PubSubGraph) -> Tasks:
    """
    Configure the tasks of a graph, bound as `pubsub_tasks`.

    Config `queues` lists those whose tasks run here; all that are declared by default. Of a daemon's `components`, the
    tasks are the ones to run.
    """
    config = graph.config.pubsub_tasks
    tasks = Tasks(graph, config.queues, config.hooks or NO_HOOKS, config.components or ())
    set_latest(tasks)
    return tasks
