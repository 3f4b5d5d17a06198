"""
One received message.
"""

import pytest

from microcosm_pubsub.constants import TTL_KEY
from microcosm_pubsub.errors import DecodeError, Nack, SettleError
from microcosm_pubsub.message import SQSMessage


class Settler:
    def __init__(self):
        self.calls = []

    def ack(self, message):
        self.calls.append("ack")
        message.settled = True

    def nack(self, message, visibility_timeout_seconds=None):
        self.calls.append(("nack", visibility_timeout_seconds))
        message.settled = True


@pytest.fixture
def settler():
    return Settler()


def make(settler=None, content=None, **more):
    return SQSMessage(settler, content, "a/b", "m", "r", **more)


@pytest.mark.parametrize(
    ("content", "opaque_data"),
    [
        (None, {}),
        ("text", {}),
        ([], {}),
        ({}, {}),
        ({"opaque_data": None}, {}),
        ({"opaque_data": "text"}, {}),
        ({"opaque_data": {"a": 1}}, {"a": 1}),
        ({"opaqueData": {"a": 1}}, {"a": 1}),
    ],
)
def test_opaque_data(content, opaque_data):
    assert make(content=content).opaque_data == opaque_data


@pytest.mark.parametrize(
    ("opaque_data", "ttl"),
    [
        ({}, None),
        ({TTL_KEY: "5"}, 5),
        ({TTL_KEY: 5}, 5),
        ({TTL_KEY.upper(): "0"}, 0),
        ({TTL_KEY: "-1"}, -1),
        ({TTL_KEY: "five"}, None),
        ({TTL_KEY: None}, None),
        ({TTL_KEY: float("inf")}, None),
        ({7: 1}, None),
    ],
)
def test_ttl(opaque_data, ttl):
    assert make(content={"opaque_data": opaque_data}).ttl == ttl


@pytest.mark.parametrize(("content", "uri"), [(None, None), ([], None), ({}, None), ({"uri": "http://x"}, "http://x")])
def test_uri(content, uri):
    assert make(content=content).uri == uri


def test_a_message_is_settled_once(settler):
    message = make(settler)

    message.ack()
    message.ack()
    message.nack(3)

    assert settler.calls == ["ack"]


def test_a_message_without_a_consumer_settles_nothing():
    make().ack()
    make().nack()
    with make() as message:
        assert message.message_id == "m"


@pytest.mark.parametrize(
    ("error", "calls"),
    [
        (None, ["ack"]),
        (ValueError("no"), [("nack", None)]),
        (Nack(0), [("nack", 0)]),
        (Nack(30, "later"), [("nack", 30)]),
        (KeyboardInterrupt(), [("nack", None)]),
    ],
)
def test_as_a_context_manager(settler, error, calls):
    def use():
        with make(settler) as message:
            assert message.message_id == "m"
            if error:
                raise error

    if error:
        with pytest.raises(type(error)) as raised:
            use()
        assert raised.value is error
    else:
        use()
    assert settler.calls == calls


def test_what_is_settled_within_the_block_stays_so(settler):
    with make(settler) as message:
        message.nack(9)

    assert settler.calls == [("nack", 9)]


def test_an_undecodable_message_is_never_acked(settler):
    error = DecodeError("not JSON")
    message = make(settler, error=error)

    with pytest.raises(DecodeError):
        message.ack()
    with pytest.raises(DecodeError), message:
        pytest.fail("its block does not run")

    assert settler.calls == [("nack", None)]


def test_what_the_queue_does_not_take_is_not_settled(settler):
    def refuse(message):
        raise SettleError("no")

    message = make(settler)
    settler.ack, ack = refuse, settler.ack
    with pytest.raises(SettleError):
        message.ack()
    settler.ack = ack
    message.ack()

    assert settler.calls == ["ack"]
