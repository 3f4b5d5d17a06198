"""
Queues and subscriptions that daemons make for themselves.
"""

import pytest

from microcosm_pubsub.broker.broker import Broker
from microcosm_pubsub.broker.clients import BrokerClients


@pytest.fixture
def clients():
    clients = BrokerClients(Broker("sqlite://"))
    clients.provision_queue("shared")
    yield clients
    clients.close()


def subscribe(clients, *media_types):
    clients.provision_subscriptions("shared", dict.fromkeys(media_types))


def test_a_daemon_that_takes_a_queue_from_another_says_so(clients, caplog):
    subscribe(clients, "a/order", "a/parcel.*", "a/both")

    subscribe(clients, "a/invoice", "a/both")

    assert (
        "Queue shared gets no messages of a/order, a/parcel.* any more, which the daemon that starts does not handle: "
        "if another daemon does, give each a queue of its own"
    ) in caplog.text


def test_a_daemon_that_handles_all_that_it_did_says_nothing(clients, caplog):
    subscribe(clients, "a/order")
    subscribe(clients, "a/order")
    subscribe(clients, "a/order", "a/parcel.*")
    subscribe(clients, *(f"a/{number}" for number in range(200)))

    assert not caplog.records
