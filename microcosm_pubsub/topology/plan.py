"""
The topology that one daemon needs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from microcosm_pubsub.batch import MessageBatchSchema
from microcosm_pubsub.config.graph import find_component
from microcosm_pubsub.constants import FIFO_SUFFIX
from microcosm_pubsub.daemon import ConsumerDaemon
from microcosm_pubsub.errors import ConfigurationError
from microcosm_pubsub.graph import PubSubGraph
from microcosm_pubsub.producer.topics import TESTING_TOPIC
from microcosm_pubsub.reader import is_url
from microcosm_pubsub.registry.options import DEFAULT_OPTIONS


#: The topic of media types that configuration gives none.
DEFAULT_TOPIC = "pubsub"

#: The queue of a testing graph that configuration gives none.
TESTING_QUEUE = "queue"

DEAD_LETTERS = "-dead-letters"


@dataclass(frozen=True, slots=True)
class Queue:
    """
    A queue and its dead-letter queue.

    :param name: of the queue
    :param dead_letter_queue: the name of the other
    :param visibility_timeout_seconds: for how long a receive hides a message that the daemon does not hide itself
    :param max_receive_count: after this many receives a message goes to the dead-letter queue
    :param url: as configuration gives it; None if it gives a name, or nothing
    """

    name: str
    dead_letter_queue: str
    visibility_timeout_seconds: int
    max_receive_count: int
    url: str | None = None

    @property
    def is_fifo(self) -> bool:
        """Return whether it keeps order."""
        return self.name.endswith(FIFO_SUFFIX)


@dataclass(frozen=True, slots=True)
class Topic:
    """
    A topic.

    :param name: of the topic
    :param published: the media types that this program may publish to it
    :param handled: those of it that the daemon handles, which its subscription lets through
    :param arn: as configuration gives it; None if it only follows from the name
    """

    name: str
    published: tuple[str, ...] = ()
    handled: tuple[str, ...] = ()
    arn: str | None = None

    @property
    def is_fifo(self) -> bool:
        """Return whether it keeps order."""
        return self.name.endswith(FIFO_SUFFIX)


@dataclass(frozen=True, slots=True)
class Calls:
    """
    The part of a daemon in calls of services.

    :param prefix: with which the names of reply queues begin
    :param answers: whether the daemon has a service, which sends to reply queues
    :param asks: whether it calls services itself, and so makes a reply queue
    :param topics: the names of those that requests are published to
    """

    prefix: str
    answers: bool
    asks: bool
    topics: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Topology:
    """
    The queues, topics and subscriptions that there have to be.

    :param name: of the daemon
    :param topics: by name
    :param queue: its queue; None for a program that only publishes
    :param kms_key: the id, the ARN or the alias of the key by which all of it is encrypted; None leaves that to SQS
    :param calls: of services, here or elsewhere; None if nothing in its graph answers or asks
    """

    name: str
    topics: tuple[Topic, ...]
    queue: Queue | None
    kms_key: str | None = None
    warnings: tuple[str, ...] = field(default=())
    calls: Calls | None = None

    @property
    def subscribed(self) -> tuple[Topic, ...]:
        """Return the topics to which the queue subscribes."""
        return tuple(topic for topic in self.topics if topic.handled) if self.queue is not None else ()

    @property
    def published(self) -> tuple[Topic, ...]:
        """Return the topics to which this program may publish."""
        return tuple(topic for topic in self.topics if topic.published)


def plan(
    daemon: ConsumerDaemon, with_producers: bool = False, max_receive_count: int = 5, kms_key: str | None = None
) -> Topology:
    """
    Return the topology that a daemon needs.

    :param daemon: with its graph, over queues in memory, and its configuration
    :param with_producers: whether what its modules declare schemas of is published by it too
    :param max_receive_count: after this many receives a message goes to the dead-letter queue
    :param kms_key: by which all of it is encrypted
    :raises ConfigurationError: if it cannot be, as a standard queue of a FIFO topic's messages in order
    """
    graph = daemon.graph
    arns = graph.sns_topic_arns
    handled = sorted(daemon.bound_handlers)
    published = sorted({*graph.pubsub_message_schema_registry.keys()} - {MessageBatchSchema.MEDIA_TYPE})
    published = published if with_producers else []
    queue = make_queue(daemon, max_receive_count) if handled else None
    subscribed = handled if graph.sqs_envelope.names_media_types else []
    found = tuple(make_topics(arns, published, subscribed))
    check_order(queue, found)
    return Topology(daemon.name, found, queue, kms_key, calls=find_calls(graph, daemon.bound_handlers))


def make_topics(arns: Any, published: Iterable[str], handled: Iterable[str]) -> Iterator[Topic]:
    """Iterate over the topics of media types that are published or handled, by name."""
    topics: dict[str, tuple[list[str], list[str]]] = {}
    known: dict[str, str] = {}
    for index, media_types in enumerate((published, handled)):
        for media_type in media_types:
            arn = arns.get(media_type) or arns.default
            name = name_topic(arn)
            topics.setdefault(name, ([], []))[index].append(media_type)
            if str(arn).startswith("arn:"):
                known.setdefault(name, arn)
    for name, (given, taken) in sorted(topics.items()):
        yield Topic(name, tuple(given), tuple(taken), known.get(name))


def find_calls(graph: PubSubGraph, handlers: Mapping[str, Any]) -> Calls | None:
    """
    Return a daemon's part in calls of services; None if it has none.

    :param handlers: those that it runs, by media type
    """
    # These components stand beside this part, and may be missing.
    replies, rpc = find_component(graph, "pubsub_replies"), find_component(graph, "pubsub_rpc")
    if replies is None:
        return None
    arns = graph.sns_topic_arns
    answered = [each for each, handler in handlers.items() if replies.for_handler(handler, DEFAULT_OPTIONS)]
    if rpc is None and not answered:
        return None
    topics = {arns.get(each) or arns.default for each in answered}
    if rpc is not None:
        # Requests to other services are declared nowhere here: they may go to any topic that configuration names.
        topics |= {arns.default, *arns.values()}
    return Calls(replies.reply.prefix, bool(answered), rpc is not None, tuple(sorted(map(name_topic, topics))))


def make_queue(daemon: ConsumerDaemon, max_receive_count: int) -> Queue:
    """Return the queue of a daemon."""
    config = daemon.graph.config.sqs_consumer
    configured = str(config.sqs_queue_url or "")
    name = daemon.name if configured in ("", TESTING_QUEUE) else configured.rpartition("/")[2]
    base, fifo = (name.removesuffix(FIFO_SUFFIX), FIFO_SUFFIX) if name.endswith(FIFO_SUFFIX) else (name, "")
    dead_letters = (config.dead_letter_queue_url or "").rpartition("/")[2] or f"{base}{DEAD_LETTERS}{fifo}"
    seconds = daemon.graph.config.pubsub_worker.visibility_timeout_seconds
    url = configured if is_url(configured) else None
    return Queue(name, dead_letters, int(seconds), max_receive_count, url)


def name_topic(arn: str | None) -> str:
    """Return the name of a topic."""
    return DEFAULT_TOPIC if arn in (None, "", TESTING_TOPIC) else str(arn).rpartition(":")[2]


def check_order(queue: Queue | None, topics: Iterable[Topic]) -> None:
    """
    Refuse a FIFO queue at a standard topic, as SNS does.

    https://docs.aws.amazon.com/sns/latest/dg/fifo-message-delivery.html

    :raises ConfigurationError: if there is one
    """
    if queue is None or not queue.is_fifo:
        return
    for topic in topics:
        if topic.handled and not topic.is_fifo:
            raise ConfigurationError(
                f"Queue {queue.name} is FIFO, and cannot subscribe to {topic.name}, which is not: name a topic that "
                f"ends in {FIFO_SUFFIX} in sns_topic_arns, for {', '.join(topic.handled)}"
            )
