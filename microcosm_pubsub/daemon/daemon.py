"""
The daemon: a program that handles the messages of one queue.

    class OrdersDaemon(ConsumerDaemon):
        name = "orders"

    if __name__ == "__main__":
        OrdersDaemon().run()

It exits 0 when it was told to stop (SIGTERM, SIGINT) or there is nothing more to do, 1 when it cannot go on until
somebody changes something, 2 when its command line is wrong, and 3 when a new process may do better: a fault, or
handlers that had to be abandoned.
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from microcosm.api import load_each, load_from_dict
from microcosm.caching import NaiveCache
from microcosm_daemon.api import ExitError, SleepNow
from microcosm_daemon.daemon import Daemon

from microcosm_pubsub.daemon.binding import COMPONENTS, bind_handlers, provision_subscriptions, split_names
from microcosm_pubsub.daemon.configuration import attributes_to_config, event_to_config
from microcosm_pubsub.daemon.flags import add_flags, find_problem, flags_to_config
from microcosm_pubsub.daemon.on_lambda import LambdaHandlerFactory
from microcosm_pubsub.daemon.process import exit_on_signals, take_any_text
from microcosm_pubsub.daemon.running import measures_for_prometheus, run_to_end
from microcosm_pubsub.daemon.start_error import GRAPH_ERRORS, describe, telling_of_the_log
from microcosm_pubsub.daemon.states import has_states, run_states
from microcosm_pubsub.daemon.supervisor import DEFAULT_THRESHOLD_SECONDS, Supervisor
from microcosm_pubsub.errors import ConfigurationError, EndOfInput, PubSubError, QueueAccessError, ReceiveError
from microcosm_pubsub.graph import PubSubGraph
from microcosm_pubsub.health import Report, Route
from microcosm_pubsub.producer import PublishLayer, PublishStep
from microcosm_pubsub.reader import LAMBDA
from microcosm_pubsub.retry import RetryPolicy
from microcosm_pubsub.types import Handler, Layer, Observer, UnitLayer
from microcosm_pubsub.worker.settings import WorkerSettings


#: Our own log lines say better what these log at INFO.
QUIET_LOGGERS = ["botocore.credentials"]

#: Health checks are served at this port with `--heartbeat-threshold-seconds` and no port.
DEFAULT_PORT = 80


class ConsumerDaemon(Daemon):  # type: ignore[misc]
    """
    A program that handles the messages of one queue.

    A subclass gives it a `name`, which is also the prefix of its configuration in the environment, and may
    list `components` to use (those that are handlers or tasks are the ones it runs), configuration `defaults`, and what
    stands below.

    :param event: a Lambda event, whose records are handled as if they were the queue
    """

    if TYPE_CHECKING:
        # Subclasses set these as attributes; the base, which has no types, makes properties of them.
        name: str
        components: list[str]
        defaults: Mapping[str, Any]
        graph: Any
    else:

        @property
        def components(self) -> list[str]:
            """Return the components to use; registered handlers, and tasks by their names, are the ones to run."""
            return [*super().components, *COMPONENTS]

    #: Layers to add around the handlers, and around units (a message, or a batch), observers of their results, and what
    #: messages that are published go through beside: callables, or binding names. Functions of the class are wrapped in
    #: `staticmethod`.
    middleware: Sequence[str | Layer] = ()
    unit_middleware: Sequence[str | UnitLayer] = ()
    observers: Sequence[str | Observer] = ()
    publish_steps: Sequence[str | PublishStep] = ()
    publish_layers: Sequence[str | PublishLayer] = ()

    #: Binding names of what is done to the texts of messages on their way, in the order of publishing.
    body_transforms: Sequence[str] = ()

    #: Binding names of services to run beside the worker, see `daemon.services`.
    services: Sequence[str] = ()

    #: Routes that are served with the health checks: a function by the path that it answers.
    routes: Mapping[str, Route] = {}

    #: The number of handlers that run at a time, each in a thread of its own; more than one only if they and the
    #: components that they use may be used by several threads at once.
    workers: int | None = None

    #: Whether every handler runs in a database transaction, not only those whose `@handles` says so.
    transaction: bool | None = None

    #: The worker's settings, which an operator decides and configuration may change.
    settings: WorkerSettings | None = None

    #: The retry policy of handlers whose `@handles` names none.
    retry: RetryPolicy | None = None

    #: The action for messages without a handler or schema, "ack", "nack" or "dead_letter"; and the media types of those
    #: that are expected, and acked without a word.
    unhandled: str | None = None
    ignore: list[str] | None = None

    #: The queues whose tasks run here: by default all, unless `components` name handlers or tasks; and the hooks that
    #: are called around each task: `TaskHooks`.
    task_queues: Sequence[str] | None = None
    task_hooks: Any = None

    #: Whether all its tasks are remembered, in its database, not only those whose `@task` says so.
    ledger: bool | None = None

    #: Gives a handler of Lambda events that runs this daemon's handlers: `handler(event, context)`.
    make_lambda_handler = LambdaHandlerFactory()

    def __init__(self, event: Any = None) -> None:
        super().__init__()
        self.event = event
        self.is_stopping = False
        self.bound_handlers: dict[str, Handler] = {}

    @property
    def loader(self) -> Callable[[Any], Any]:
        """Return the loader of the configuration: the defaults, the environment, then the command line."""
        loader: Callable[[Any], Any] = load_each(
            load_from_dict(
                logging={"levels": {"override": {"warn": QUIET_LOGGERS}}},
            ),
            load_from_dict(attributes_to_config(self)),
            super().loader,
            load_from_dict(event_to_config(self.event)),
            load_from_dict(flags_to_config(self.args)),
        )
        return loader

    def make_arg_parser(self) -> ArgumentParser:
        """Return the parser of the command line."""
        parser: ArgumentParser = super().make_arg_parser()
        add_flags(parser)
        return parser

    def create_object_graph(
        self, args: Namespace, cache: Any = None, loader: Callable[[Any], Any] | None = None
    ) -> Any:
        """
        Make the object graph, and lock it.

        :raises ConfigurationError: if the daemon has no name
        """
        if not isinstance(self.name, str) or not self.name:
            raise ConfigurationError(f"Daemon {type(self).__qualname__} has no name: set its `name` to a text")
        with telling_of_the_log():
            return super().create_object_graph(args, cache=cache, loader=loader)

    def create_object_graph_components(self, graph: Any) -> None:
        """Use the components, and bind the handlers."""
        broker = graph.pubsub_broker
        if broker is not None and graph.sqs_client is not broker.queue_client:
            # Messages come from somewhere else, such as a file.
            broker = None
        if broker is not None:
            broker.provision_queue(graph.config.sqs_consumer.sqs_queue_url or graph.metadata.name)
        tasks, handlers = graph.use("pubsub_task_registry", "sqs_message_handler_registry")
        named, others, bindings = split_names(self.components, tasks.functions, handlers.named_handlers)
        graph.use(*dict.fromkeys([*Daemon.components.fget(self), *COMPONENTS, *bindings]))
        self.bound_handlers = bind_handlers(graph, others, with_tasks=bool(named), and_queues=bool(self.task_queues))
        # Bind now: handlers may ask for components that are still to be made.
        graph.sqs_message_dispatcher.find_routes(self.bound_handlers)
        if broker is not None:
            provision_subscriptions(graph, broker, self.bound_handlers)

    @classmethod
    def create_for_testing(
        cls,
        loader: Callable[[Any], Any] | None = None,
        cache: Any = None,
        **kwargs: Any,
    ) -> ConsumerDaemon:
        """
        Make a daemon with its graph for a test, without starting it.

        Its `graph.sns_producer` only records what is produced, unless the loader sets `sns_producer.record_only` false.

        :param loader: gives configuration
        :param cache: keeps components for the next test; a new one for each by default
        :param kwargs: values of command line flags
        """
        recorded = load_from_dict(sns_producer={"mock_sns": False})
        daemon: ConsumerDaemon = super().create_for_testing(
            loader=load_each(recorded, loader) if loader else recorded,
            cache=NaiveCache() if cache is None else cache,
            **kwargs,
        )
        return daemon

    @classmethod
    def create_for_lambda(cls, **flags: Any) -> ConsumerDaemon:
        """
        Make a daemon with its graph for a Lambda function, without starting it.

        :param flags: values of command line flags
        """
        daemon = cls()
        daemon.args = Namespace(**{"debug": False, "testing": False, "sqs_queue_url": LAMBDA, **flags})
        daemon.graph = daemon.create_object_graph(daemon.args)
        return daemon

    def __call__(self, graph: PubSubGraph) -> None:
        """
        Handle the messages of one receive.

        :raises ExitError: if there are no more messages to come, or none can be received until somebody
            changes something; the cause tells which
        """
        try:
            results = graph.sqs_message_dispatcher.handle_batch(self.bound_handlers)
        except (EndOfInput, QueueAccessError) as error:
            raise ExitError(str(error)) from error
        except ReceiveError as error:
            graph.logger.warning("%s", error)
            raise SleepNow from error
        if graph.metadata.testing and not results:
            # A queue in memory does not wait for messages.
            raise SleepNow

    def process(self, event: Any = None, context: Any = None) -> Any:
        """
        Handle the messages of one receive, or the records of a Lambda event, and return their results.

        The graph is made if there is none yet.

        :param event: of Lambda; by default the one that the daemon was made for
        :param context: of Lambda
        :returns: the results of a receive, or the answer to Lambda
        """
        event = self.event if event is None else event
        if event is not None:
            return self.make_lambda_handler()(event, context)
        if self.graph is None:
            self.initialize()
        return self.graph.sqs_message_dispatcher.handle_batch(self.bound_handlers)

    def run(self) -> None:
        """Run the daemon as the command line says, and exit."""
        parser = self.make_arg_parser()
        args = parser.parse_args()
        if problem := find_problem(args):
            parser.error(problem)
        watched = args.heartbeat_threshold_seconds >= 0
        if args.processes == 1 and not watched:
            self.start()
            return
        try:
            Supervisor(
                self,
                processes=args.processes,
                heartbeat_threshold_seconds=(
                    args.heartbeat_threshold_seconds if watched else DEFAULT_THRESHOLD_SECONDS
                ),
                healthcheck_host=args.healthcheck_host,
                healthcheck_port=DEFAULT_PORT if watched and args.healthcheck_port is None else args.healthcheck_port,
                routes=self.routes,
                measures=measures_for_prometheus(self),
            ).run()
        except ConfigurationError as error:
            sys.exit(f"{self.name or type(self).__qualname__}: cannot start: {error}")

    def stop(self) -> None:
        """
        Let the daemon end as SIGTERM does, from any thread: handlers run to their end, other messages go back.

        One that has not started ends when it has; asked again, it waits for no handler.
        """
        self.is_stopping = True
        if self.graph is not None:
            self.graph.pubsub_worker.stop()

    def start(self, send_report: Callable[[Report], None] | None = None) -> None:
        """
        Run the daemon in this process, and exit.

        :param send_report: sends the health of this process to its supervisor, if it has one
        """
        exit_on_signals(lambda: setattr(self, "is_stopping", True))
        take_any_text(sys.stdout)
        try:
            self.initialize()
            run = run_states if has_states(type(self), ConsumerDaemon) else run_to_end
            code = run(self, send_report)
        except (PubSubError, *GRAPH_ERRORS) as error:
            sys.exit(f"{self.name or type(self).__qualname__}: cannot start: {describe(error)}")
        sys.exit(code)
