"""
A daemon under test: its real pipeline over queues in memory, with the clock in the test's hand.

    with harness(OrdersDaemon) as app:
        app.publish(created("order"), uri="https://orders.example.com/1")
        app.run()
        assert [result.outcome for result in app.results] == [MessageHandlingResultType.SUCCEEDED]
        assert app.published[0].media_type == created("invoice")
        assert app.queue == []

Nothing is slept for: what comes again later comes when the clock was advanced.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from logging import INFO, Formatter, Handler, LogRecord, getLogger
from typing import Any

from microcosm.api import load_each, load_from_dict
from microcosm.caching import NaiveCache

from microcosm_pubsub.broker.inspection import StoredMessage
from microcosm_pubsub.broker.names import dead_letter_queue_name
from microcosm_pubsub.codecs.content import Payload
from microcosm_pubsub.config.graph import find_component
from microcosm_pubsub.constants import FIFO_SUFFIX
from microcosm_pubsub.daemon import ConsumerDaemon
from microcosm_pubsub.errors import ConfigurationError
from microcosm_pubsub.producer import ProduceResult, PublishCall, PubsubMessage
from microcosm_pubsub.result import MessageHandlingResult
from microcosm_pubsub.testing import make_testing_clients
from microcosm_pubsub.testing.memory import MemoryEngine


#: When a test begins, in seconds since the epoch: always the same, so that no test depends on the day.
START = 1_767_225_600.0

#: A run that receives more often than this does not end by itself.
MAX_RECEIVES = 1_000

#: At most this many log lines are kept, to be shown when a test fails.
MAX_LOG_LINES = 50


class Clock:
    """A time of day that only moves when it is told to."""

    def __init__(self, start: float = START) -> None:
        self.time = start

    def __call__(self) -> float:
        """Return the time, in seconds since the epoch."""
        return self.time

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.time += seconds


class Harness:
    """
    A daemon under test; `harness` makes it, and ends it.

    :param suffix: of the names of its queue and its topic
    :param config: more configuration, by binding name
    """

    def __init__(self, daemon_cls: type[ConsumerDaemon], suffix: str, config: Mapping[str, Any]) -> None:
        #: The time of the queues and of the producer, of the outbox and of the ledger of tasks.
        self.clock = Clock()
        #: The results of the messages that were handled, in order.
        self.results: list[MessageHandlingResult] = []
        #: The messages that the daemon's handlers published, in order.
        self.published: list[PubsubMessage] = []
        self.log = LastLines()
        self._is_running = False
        self._engine = MemoryEngine(self.clock)
        self._queue_name = f"{daemon_cls.name}{suffix}"
        self._engine.provision_queue(self._queue_name)
        topic = f"{self._engine.clients.default_topic_arn}{suffix}"
        cache = NaiveCache()
        cache["pubsub_testing"] = make_testing_clients(self._engine)
        self.daemon = daemon_cls.create_for_testing(
            loader=load_each(
                load_from_dict(
                    pubsub_publish_layers={"names": [self._note_published]},
                    sns_producer={"mock_sns": True},
                    sns_topic_arns={"default": topic},
                    sqs_consumer={"sqs_queue_url": self._queue_name},
                ),
                load_from_dict(dict(config)),
            ),
            cache=cache,
        )
        self.graph.sns_producer.now = self.clock
        self._set_up_database()
        topics = dict.fromkeys(self.daemon.bound_handlers, topic)
        self._engine.clients.provision_subscriptions(self._queue_name, topics)

    @property
    def graph(self) -> Any:
        """Return the daemon's graph."""
        return self.daemon.graph

    @property
    def queue(self) -> list[StoredMessage]:
        """Return the messages that the daemon's queue holds, visible or not, the oldest first."""
        return self._engine.messages(self._queue_name)

    @property
    def dead_letters(self) -> list[StoredMessage]:
        """Return the messages that its dead-letter queue holds."""
        return self._engine.messages(dead_letter_queue_name(self._queue_name))

    def publish(
        self, media_type: str | Payload, dct: Mapping[str, Any] | Payload | None = None, **kwargs: Any
    ) -> str | None:
        """Publish a message to the daemon, as another service does: the arguments are those of `produce`."""
        message_id: str | None = self.graph.sns_producer.produce(media_type, dct, **kwargs)
        return message_id

    def send(self, body: str, **parameters: Any) -> None:
        """
        Send a body to the daemon's queue, as it is.

        :param parameters: more of `send_message`, by boto3's names
        """
        self._engine.queue_client.send_message(QueueUrl=self._queue_name, MessageBody=body, **parameters)

    def run(self) -> Sequence[MessageHandlingResult]:
        """
        Handle messages until none is visible, and return their results.

        :raises AssertionError: if it does not become empty, as when a handler publishes to its own queue
        """
        results: list[MessageHandlingResult] = []
        self._is_running = True
        try:
            for _ in range(MAX_RECEIVES):
                self._publish_due()
                handled = self.graph.sqs_message_dispatcher.handle_batch(self.daemon.bound_handlers)
                results.extend(handled)
                self.results.extend(handled)
                if not handled:
                    return results
        finally:
            self._is_running = False
        raise AssertionError(
            f"The queue still gives messages after {MAX_RECEIVES} receives: does a handler publish to its own queue?"
        )

    def _set_up_database(self) -> None:
        """Let rows that wait in a database go by the test's clock."""
        self._outbox = find_component(self.graph, "pubsub_outbox")
        self._ledger = find_component(self.graph, "pubsub_ledger_keeping")
        if self._outbox is None:
            return
        try:
            self.graph.pubsub_database.check()
        except ConfigurationError:
            # Without our tables nothing can wait there.
            self._outbox = self._ledger = None
            return
        self._outbox.store.now = self.clock
        if self._ledger is not None:
            self._ledger.set_clock(self.clock)
            self._ledger.schedules.register()

    def _publish_due(self) -> None:
        """Publish messages that had to wait for their time, as a daemon does beside its worker."""
        if self._ledger is not None:
            self._ledger.see_to_due()
        if self._outbox is not None:
            self._outbox.relay.relay_some()

    def _note_published(self, call_next: PublishCall, messages: Sequence[PubsubMessage]) -> list[ProduceResult]:
        """Note the messages that handlers publish: a publish layer."""
        results = call_next(messages)
        if self._is_running:
            self.published.extend(message for message, result in zip(messages, results, strict=True) if result.ok)
        return results

    def describe(self) -> str:
        """Return the state and the events of the test, for people."""
        lines = [f"daemon {self.daemon.name}:"]
        lines += [f"  handled: {each.result.name} {each.media_type}{_why(each)}" for each in self.results]
        lines += [f"  published: {each.media_type} {each.message}" for each in self.published]
        for name, messages in (("queue", self.queue), ("dead letters", self.dead_letters)):
            lines += [f"  in the {name}: {_describe(each, self.clock())}" for each in messages]
        lines += [f"  log: {line}" for line in self.log.lines]
        return "\n".join(lines)

    def close(self) -> None:
        """Forget the queues."""
        self._engine.clients.close()


@contextmanager
def harness(
    daemon_cls: type[ConsumerDaemon], *, fifo: bool = False, config: Mapping[str, Any] | None = None
) -> Iterator[Harness]:
    """
    Make a daemon for a test, on queues in memory.

    If the test fails in the block, its error says what was handled, published, left in the queues, and logged.

    :param fifo: whether its queue and its topics are FIFO
    :param config: more configuration, by binding name
    """
    app = Harness(daemon_cls, FIFO_SUFFIX if fifo else "", config or {})
    getLogger().addHandler(app.log)
    try:
        yield app
    except BaseException as error:
        error.add_note(app.describe())
        raise
    finally:
        getLogger().removeHandler(app.log)
        app.close()


class LastLines(Handler):
    """Keep the last log lines."""

    def __init__(self) -> None:
        super().__init__(INFO)
        self.lines: deque[str] = deque(maxlen=MAX_LOG_LINES)
        self.setFormatter(Formatter("%(levelname)s %(name)s: %(message)s"))

    def emit(self, record: LogRecord) -> None:
        """Keep a line."""
        self.lines.append(self.format(record))


def _why(result: MessageHandlingResult) -> str:
    if result.exc_info is not None:
        return f": {type(result.exc_info[1]).__name__}: {result.exc_info[1]}"
    return f": {result.extra['reason']}" if "reason" in result.extra else ""


def _describe(message: StoredMessage, now: float) -> str:
    wait = message.visible_at - now
    visible = "visible" if wait <= 0 else f"visible in {wait:g} s"
    return f"{visible}, received {message.receive_count} times: {message.body[:200]}"
