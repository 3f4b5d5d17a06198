"""
Each name of botocore that the short way leans on may go with a release of it. Calls do not go with them.
"""

from random import Random

import pytest

from tests.differential.conftest import forget_moto
from tests.differential.generate import make_content, make_http, make_parameters, make_reply
from tests.differential.names import find_imports, find_private_names, without
from tests.differential.server import Reply
from tests.differential.test_calls import OPERATIONS, call_begun, canonical, make_usual, tell


#: Replies of all kinds, to each client.
CALLS = 6

PRIVATE_NAMES = find_private_names()


def make_client(boto, service, url, transport):
    client = boto.make_client(
        service,
        transport=transport,
        profile_name=None,
        region_name="us-east-1",
        endpoint_url=url,
        connect_timeout=5,
        read_timeout=10,
        max_pool_connections=10,
        max_attempts=2,
    )
    forget_moto(client)
    return client


def follow(server, client, operation, call):
    """Return what came of some calls, each with the requests that it took."""
    random = Random(operation)
    usual = make_usual(operation, server) if operation != "receive_message" else {"QueueUrl": server.queue_url}
    told = []
    for _ in range(CALLS):
        # a call that goes well leaves a connection, and is learned from
        for parameters, replies in (
            (usual, [Reply(make_http(random, make_content(random, operation)))]),
            (make_parameters(random, operation, server.queue_url), [make_reply(random, operation) for _ in range(2)]),
        ):
            server.play(*replies)
            told.append((tell(call(client), parameters), list(map(canonical, server.requests))))
    return told


def call_at_once(operation):
    return lambda client: getattr(client, operation)


def call_by_halves(operation):
    return lambda client: lambda **parameters: call_begun(client, operation, **parameters)


def check(name, server, monkeypatch, operation):
    """Compare a client that does not find a name with boto3, and return which way its calls go."""
    with without(name) as (boto, transport):
        monkeypatch.setattr("tests.differential.test_calls.begin_call", transport.begin_call)
        monkeypatch.setattr("tests.differential.test_calls.finish_call", transport.finish_call)
        service = OPERATIONS[operation]
        plain = make_client(boto, service, server.url, "botocore")
        expected = follow(server, plain, operation, call_at_once(operation))
        for call in (call_at_once(operation), call_by_halves(operation)):
            client = make_client(boto, service, server.url, "auto")
            assert follow(server, client, operation, call) == expected
        boto.start_client_anew(client)
        assert follow(server, client, operation, call_at_once(operation)) == expected
        return transport.client_transport(client)


@pytest.mark.parametrize("operation", ["receive_message", "publish_batch"])
def test_all_names_are_found(server, monkeypatch, delays, operation):
    assert check("", server, monkeypatch, operation) != "botocore"


@pytest.mark.parametrize("name", PRIVATE_NAMES)
def test_calls_work_without_a_private_name(server, monkeypatch, delays, name):
    check(name, server, monkeypatch, "receive_message")


@pytest.mark.parametrize("name", find_imports())
def test_calls_work_without_an_import(server, monkeypatch, delays, name):
    assert check(name, server, monkeypatch, "publish_batch") == "botocore"


def test_names_are_collected():
    known = {
        "_endpoint",
        "_make_api_call",
        "_get_connection_manager",
        "_sign",
        "_lookup_cache",
        "_manager",
        "_put_conn",
    }
    assert known <= set(PRIVATE_NAMES)
