"""
Make the broker of an object graph.

SQLAlchemy is imported only by a graph that has a broker.
"""

from __future__ import annotations

from os import environ
from typing import TYPE_CHECKING, Any

from microcosm.api import typed

from microcosm_pubsub.config import values
from microcosm_pubsub.config.graph import defaults
from microcosm_pubsub.errors import ConfigurationError
from microcosm_pubsub.graph import PubSubGraph


if TYPE_CHECKING:
    from microcosm_pubsub.broker.clients import BrokerClients


#: The broker's URL for all graphs of a process, unless configuration names one.
URL_VARIABLE = "PUBSUB_BROKER_URL"


@defaults(
    url=typed(values.text("pubsub_broker.url"), default_value=None),
    synchronous=typed(values.choice("pubsub_broker.synchronous", "NORMAL", "FULL"), default_value="NORMAL"),
    max_receive_count=typed(
        values.integer("pubsub_broker.max_receive_count", minimum=1, maximum=1000),
        default_value=5,
    ),
)
def configure_pubsub_broker(graph: PubSubGraph) -> BrokerClients | None:
    """
    Configure the graph's broker, bound as `pubsub_broker`; None if it has none, and works with AWS.

    :raises ConfigurationError: if its database cannot be used, or what it needs is not installed
    """
    config = graph.config.pubsub_broker
    url = config.url or (None if graph.metadata.testing else environ.get(URL_VARIABLE))
    if not url:
        return None
    return open_broker(url, config.synchronous, config.max_receive_count)


def open_broker(url: str, synchronous: str = "NORMAL", max_receive_count: int = 5, **options: Any) -> BrokerClients:
    """
    Open a broker, and return its clients.

    :param url: of its database
    :param max_receive_count: after how many receives a message of a queue that we provision goes to the dead-letter
        queue
    :param options: of `Broker`
    :raises ConfigurationError: if its database cannot be used, or what it needs is not installed
    """
    try:
        from microcosm_pubsub.broker.broker import Broker
        from microcosm_pubsub.broker.clients import BrokerClients

        return BrokerClients(Broker(url, synchronous, **options), max_receive_count)
    except ModuleNotFoundError as error:
        extra = "postgres" if error.name == "psycopg" else "broker"
        raise ConfigurationError(f"The broker needs {error.name}: pip install 'microcosm_pubsub[{extra}]'") from error
