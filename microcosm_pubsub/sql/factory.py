"""
The database of an object graph, and the transactions of its handlers, as configuration makes them.

SQLAlchemy is imported only by a graph that has a database.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from microcosm.api import typed

from microcosm_pubsub.config import values
from microcosm_pubsub.config.graph import defaults, find_component
from microcosm_pubsub.dispatcher import Argument
from microcosm_pubsub.errors import ConfigurationError
from microcosm_pubsub.graph import PubSubGraph
from microcosm_pubsub.registry import HandlerOptions
from microcosm_pubsub.sql.transactions import Transactions


if TYPE_CHECKING:
    from microcosm_pubsub.sql.database import Database
    from microcosm_pubsub.sql.housekeeping import Housekeeping
    from microcosm_pubsub.sql.inbox import Inbox
    from microcosm_pubsub.sql.outbox.layer import Outbox


@defaults(
    url=typed(values.text("pubsub_database.url"), default_value=None),
    schema=typed(values.text("pubsub_database.schema"), default_value="pubsub"),
    pool_size=typed(values.integer("pubsub_database.pool_size", minimum=1), default_value=10),
    max_overflow=typed(values.integer("pubsub_database.max_overflow", minimum=0), default_value=40),
    pool_timeout_seconds=typed(values.number("pubsub_database.pool_timeout_seconds", minimum=0), default_value=30.0),
    isolation_level=typed(
        values.choice("pubsub_database.isolation_level", "READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"),
        default_value=None,
    ),
    auto_upgrade=typed(values.boolean("pubsub_database.auto_upgrade"), default_value=False),
    wait_seconds=typed(values.number("pubsub_database.wait_seconds", minimum=0), default_value=10.0),
)
def configure_pubsub_database(graph: PubSubGraph) -> Database | None:
    """
    Configure the graph's database, bound as `pubsub_database`; None if it has none.

    It is that of `url`; if that is not set, the one of the graph's `sessionmaker`, such as microcosm-postgres binds.

    :raises ConfigurationError: if its URL cannot be one, or what it needs is not installed
    """
    config = graph.config.pubsub_database
    sessionmaker = None if config.url else find_component(graph, "sessionmaker")
    if not config.url and sessionmaker is None:
        return None
    try:
        from microcosm_pubsub.sql.database import Database, Settings
        from microcosm_pubsub.sql.sessionmaker import read_sessionmaker
        from microcosm_pubsub.sql.url import parse_url
    except ModuleNotFoundError as error:
        raise ConfigurationError(f"A database needs {error.name}: pip install 'microcosm_pubsub[sql]'") from error
    options = {
        "isolation_level": config.isolation_level,
        "pool_size": config.pool_size,
        "max_overflow": config.max_overflow,
        "pool_timeout": config.pool_timeout_seconds,
    }
    settings = Settings(config.schema, options, config.wait_seconds, config.auto_upgrade)
    if config.url:
        return Database.open_url(parse_url(config.url), settings)
    return Database(settings=settings, **read_sessionmaker(sessionmaker))


@defaults(retention_days=typed(values.number("pubsub_inbox.retention_days", minimum=0), default_value=30.0))
def configure_pubsub_inbox(graph: PubSubGraph) -> Inbox | None:
    """
    Configure the inbox, which knows the messages that were handled, bound as `pubsub_inbox`; None without a database.
    """
    if graph.pubsub_database is None:
        return None
    from microcosm_pubsub.sql.inbox import Inbox

    return Inbox(graph.pubsub_database, graph.config.pubsub_inbox.retention_days)


@defaults(
    relay=typed(values.boolean("pubsub_outbox.relay"), default_value=True),
    batch_size=typed(values.integer("pubsub_outbox.batch_size", minimum=1), default_value=100),
    poll_seconds=typed(values.number("pubsub_outbox.poll_seconds", minimum=0.01), default_value=1.0),
    claim_seconds=typed(values.number("pubsub_outbox.claim_seconds", minimum=1), default_value=30.0),
)
def configure_pubsub_outbox(graph: PubSubGraph) -> Outbox | None:
    """
    Configure the outbox, which keeps messages until the transaction that publishes them is committed, bound as
    `pubsub_outbox`.

    It is a publish layer. None without a database.
    """
    if graph.pubsub_database is None:
        return None
    from microcosm_pubsub.sql.outbox.layer import Outbox
    from microcosm_pubsub.sql.outbox.relay import Relay
    from microcosm_pubsub.sql.outbox.store import OutboxStore

    config = graph.config.pubsub_outbox
    store = OutboxStore(graph.pubsub_database, config.claim_seconds)
    # The lambda puts off asking for the producer, which is made of its layers, and the outbox is one of them.
    relay = Relay(
        store, lambda messages: graph.sns_producer.produce_batch(messages), config.batch_size, config.poll_seconds
    )
    return Outbox(store, relay)


def configure_pubsub_session(graph: PubSubGraph) -> Argument | None:
    """
    Configure the session that handlers may ask for, bound as `pubsub_session`: an argument; None without a database.

    A parameter `session` or `dbsession` is given it, and one of the type `Session` or `AsyncSession`.
    """
    if graph.pubsub_database is None:
        return None
    from sqlalchemy.orm import Session

    from microcosm_pubsub.sql.transaction import current_session

    types: tuple[type, ...] = (Session,)
    # Without greenlet there are threads alone.
    with suppress(ImportError):
        from sqlalchemy.ext.asyncio import AsyncSession

        types = (Session, AsyncSession)

    def find_problem(options: HandlerOptions) -> str | None:
        has_transaction = graph.pubsub_transactions.always or options.transaction or options.once
        return None if has_transaction else "it has no transaction; add transaction=True to its @handles"

    return Argument(types, lambda messages: current_session(), ("session", "dbsession"), find_problem)


def configure_pubsub_housekeeping(graph: PubSubGraph) -> Housekeeping | None:
    """
    Configure the service that looks after the tables while a daemon runs, bound as `pubsub_housekeeping`.

    None if no handler has a transaction and no URL is set.
    """
    if graph.pubsub_database is None or not (graph.config.pubsub_database.url or is_used(graph)):
        return None
    from microcosm_pubsub.sql.housekeeping import Housekeeping, remove_old

    outbox, inbox = graph.pubsub_outbox, graph.pubsub_inbox
    if outbox is None or inbox is None:
        return None
    relay = outbox.relay if graph.config.pubsub_outbox.relay and not graph.sns_producer.skip else None
    return Housekeeping(graph.pubsub_database, [remove_old(inbox)], relay)


def is_used(graph: PubSubGraph) -> bool:
    """Return whether a handler that is registered has a transaction."""
    options = graph.sqs_message_handler_registry.iter_options()
    return graph.pubsub_transactions.always or any(each.transaction or each.once for each in options)


@defaults(always=typed(values.boolean("pubsub_transactions.always"), default_value=False))
def configure_pubsub_transactions(graph: PubSubGraph) -> Transactions:
    """
    Configure the transactions of handlers, bound as `pubsub_transactions`: a unit layer.

    Config `always` gives one to every handler, not only to those whose `@handles` asks for it.
    """
    always = graph.config.pubsub_transactions.always
    return Transactions(graph.pubsub_database, graph.pubsub_inbox, graph.pubsub_event_loop, graph.metadata.name, always)
