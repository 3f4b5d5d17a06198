"""
Configuration: what nobody reads, what cannot work, and what contradicts itself.
"""

from __future__ import annotations

from collections.abc import Iterator

from microcosm_pubsub.config.graph import find_factories
from microcosm_pubsub.config.unknown import find_unknown
from microcosm_pubsub.constants import FIFO_SUFFIX
from microcosm_pubsub.daemon import ConsumerDaemon
from microcosm_pubsub.daemon.running import our_keys
from microcosm_pubsub.doctor.finding import Finding, error, ok, warning
from microcosm_pubsub.errors import ConfigurationError


#: The subject of an error of configuration, by a word in its text.
SUBJECTS = (
    ("pip install", "packages"),
    ("pubsub_database", "database"),
    ("pubsub_worker.", "leases"),
    ("region", "region"),
    ("profile", "credentials"),
    ("pubsub_broker", "queue"),
    ("broker's database", "queue"),
    ("sqs_queue_url", "queue"),
    ("FIFO", "subscription"),
)


def name_subject(text: str) -> str:
    """Return the subject of an error of configuration."""
    return next((subject for word, subject in SUBJECTS if word in text), "configuration")


def refused(text: str) -> Finding:
    """Return the finding on a daemon that cannot be made."""
    return error(name_subject(text), text, "the daemon does not start: correct this first")


def check_configuration(daemon: ConsumerDaemon) -> Iterator[Finding]:
    """
    Look at the configuration of a daemon.

    :param daemon: with its graph, over queues in memory
    """
    graph = daemon.graph
    unknown = list(find_unknown(graph.loader(graph.metadata), our_keys(graph), find_factories(graph), daemon.name))
    for text in unknown:
        yield warning("configuration", text, "correct its name, or remove it")
    if not unknown:
        yield ok("configuration", "every key is read by somebody")
    if not daemon.bound_handlers:
        yield error(
            "handlers",
            f"{daemon.name} has no handlers",
            "import the modules that declare them with @handles, or name them in its components",
        )
    else:
        yield ok("handlers", f"media types that are handled: {len(daemon.bound_handlers)}")
    yield from check_leases(daemon)


def check_leases(daemon: ConsumerDaemon) -> Iterator[Finding]:
    """Look at the leases of messages, and at the time that handlers want of them."""
    graph = daemon.graph
    settings, config = graph.pubsub_worker.settings, graph.config
    wait_seconds = config.sqs_consumer.wait_seconds
    registry = graph.sqs_message_handler_registry
    options = {key: registry.find_options(key, handler) for key, handler in daemon.bound_handlers.items()}
    is_fifo = str(config.sqs_consumer.sqs_queue_url or daemon.name).endswith(FIFO_SUFFIX)
    try:
        settings.check(wait_seconds, receives_leases=True)
        settings.check_handlers(options, is_fifo)
    except ConfigurationError as problem:
        yield refused(str(problem))
        return
    if config.sqs_client.read_timeout <= wait_seconds:
        yield error(
            "leases",
            f"a receive waits {wait_seconds} s (sqs_consumer.wait_seconds), but its answer is given up after "
            f"{config.sqs_client.read_timeout:g} s (sqs_client.read_timeout): received messages are lost until their "
            "visibility timeout runs out",
            f"set sqs_client.read_timeout to {wait_seconds + 10} or more",
        )
        return
    yield ok(
        "leases",
        f"{settings.visibility_timeout_seconds} s per receive, extended up to {settings.max_lease_seconds:g} s",
    )
