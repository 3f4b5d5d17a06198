"""
All that is looked at, in the order in which one thing needs another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from os import environ
from pathlib import Path
from time import time
from typing import Any

from microcosm_pubsub.broker.factory import URL_VARIABLE
from microcosm_pubsub.clients import CLIENT_ERRORS
from microcosm_pubsub.daemon import ConsumerDaemon
from microcosm_pubsub.daemon.running import our_keys
from microcosm_pubsub.daemon.start_error import GRAPH_ERRORS, describe
from microcosm_pubsub.doctor import access, encryption, queues
from microcosm_pubsub.doctor.configuration import check_configuration, refused
from microcosm_pubsub.doctor.database import check_database
from microcosm_pubsub.doctor.finding import Finding, error, judge_absent, ok
from microcosm_pubsub.doctor.packages import check_packages
from microcosm_pubsub.doctor.subscriptions import check_subscriptions
from microcosm_pubsub.doctor.variables import check_variables
from microcosm_pubsub.errors import PubSubError
from microcosm_pubsub.graph import PubSubGraph
from microcosm_pubsub.topology.engine import Engine, make_daemon, make_graph, open_engine
from microcosm_pubsub.topology.inventory import Inventory
from microcosm_pubsub.topology.plan import Queue, Topology, plan


#: A broker's database that is a file.
FILE_URL = "sqlite:///"


def examine(
    daemon_cls: type[ConsumerDaemon],
    overrides: Mapping[str, Any] | None = None,
    environment: Mapping[str, str] = environ,
    now: Callable[[], float] = time,
) -> Iterator[Finding]:
    """
    Look at the set-up of a daemon, and give findings as they are made.

    Nothing is changed, received or published; a broker's tables are brought to the version of this package, as any
    program does that opens them.

    :param daemon_cls: the daemon
    :param overrides: configuration that wins, by section
    :param environment: as `os.environ`; what of it is read by graphs and by boto3 is that of the process
    :param now: tells the time of day, in seconds since the epoch
    """
    overrides = overrides or {}
    try:
        graph = make_graph(daemon_cls, overrides)
        # This comes first: beside a misspelt variable everything else may look as if nothing was configured.
        yield from check_variables(graph.metadata.name, our_keys(graph), environment)
        yield from check_packages(graph.config)
        daemon = make_daemon(daemon_cls, overrides)
    except (PubSubError, *GRAPH_ERRORS) as problem:
        yield refused(describe(problem))
        return
    yield from check_configuration(daemon)
    yield from check_database(daemon)
    try:
        topology = plan(daemon)
    except PubSubError as problem:
        yield refused(str(problem))
        return
    if topology.queue is not None:
        yield from check_engine(daemon, graph, topology, topology.queue, now)


def check_engine(
    daemon: ConsumerDaemon, graph: PubSubGraph, topology: Topology, queue: Queue, now: Callable[[], float]
) -> Iterator[Finding]:
    """
    Look at the resources in AWS, in another engine, or in the broker.

    :param daemon: with its graph, over queues in memory
    :param graph: as configured, of which nothing is made yet
    :param topology: the queues and topics that there have to be
    """
    broker_url = str(graph.config.pubsub_broker.url or environ.get(URL_VARIABLE) or "")
    if broker_url.startswith(FILE_URL) and not Path(broker_url.removeprefix(FILE_URL)).exists():
        yield judge_absent("queue", broker_url.removeprefix(FILE_URL), "it, and its queue,")
        return
    if not broker_url and not graph.config.sqs_consumer.sqs_queue_url:
        yield error(
            "queue",
            "none is configured, nor a broker",
            "set sqs_consumer.sqs_queue_url, or PUBSUB_BROKER_URL to run without AWS",
        )
        return
    try:
        with open_engine(graph) as engine:
            yield from access.check_region(graph.config, engine)
            yield from check_resources(daemon, graph, engine, topology, queue, now)
    except PubSubError as problem:
        yield refused(str(problem))


def check_resources(
    daemon: ConsumerDaemon,
    graph: PubSubGraph,
    engine: Engine,
    topology: Topology,
    queue: Queue,
    now: Callable[[], float],
) -> Iterator[Finding]:
    """Look at the queue, and if it is there at all that belongs to it."""
    inventory = Inventory(engine.queue_client, engine.topic_client)
    try:
        found = inventory.find_queue(queue.name, queue.url)
    except CLIENT_ERRORS as failure:
        yield access.describe_failure(failure, engine, queue.name)
        yield from access.check_clock(access.find_headers(failure), now())
        return
    if engine.broker is None:
        yield ok("credentials", f"{engine.name} takes them")
    if found is None:
        yield access.describe_missing(inventory, engine, queue.name)
        return
    yield from queues.check_queue(found)
    yield from queues.check_dead_letters(daemon, inventory, found)
    yield from check_subscriptions(daemon, topology, engine, inventory, found)
    yield from encryption.check_encryption(graph.config, engine, found, bool(topology.subscribed))
    yield from access.check_clock(found.headers or {}, now())
