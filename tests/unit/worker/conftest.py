"""
Parts of a worker, whose time stands still, and whose chances are the same each time.
"""

from random import Random
from threading import Thread
from types import SimpleNamespace

import pytest

from microcosm_pubsub.backoff import NaiveBackoffPolicy
from microcosm_pubsub.consumer import SQSConsumer
from microcosm_pubsub.lease import Lease
from microcosm_pubsub.message import SQSMessage
from microcosm_pubsub.worker.keeper import Keeper


#: No test takes nearly so long, unless it fails.
SECONDS = 30


@pytest.fixture
def make_message(clock):
    def make(number=0, group=None, fifo=False, media_type="a/b", **more):
        return SQSMessage(
            consumer=None,
            content={"number": number},
            media_type=media_type,
            message_id=f"m{number}",
            receipt_handle=f"r{number}",
            group_id=group,
            attributes={"SequenceNumber": str(number)} if fifo else {},
            **{"lease": Lease(clock(), 30, 3600, clock=clock), **more},
        )

    return make


@pytest.fixture
def client(make_flaky_client):
    return make_flaky_client()


@pytest.fixture
def consumer(client):
    return SQSConsumer(client, "queue", SimpleNamespace(), NaiveBackoffPolicy(7), wait_seconds=5)


@pytest.fixture
def keeper(consumer, clock):
    return Keeper(consumer, 30, 3600, clock, Random(1))


@pytest.fixture
def hold(keeper, make_message, clock):
    """Have messages held by the keeper."""

    def hold_some(count=1, **options):
        messages = [make_message(number, **options) for number in range(count)]
        keeper.hold(messages, clock())
        return messages

    return hold_some


@pytest.fixture
def in_thread():
    """Run something in a thread, which has to end with the test, and give the thread."""
    threads = []

    def start(call, *args):
        thread = Thread(target=call, args=args, daemon=True)
        threads.append(thread)
        thread.start()
        return thread

    yield start
    for thread in threads:
        thread.join(SECONDS)
        assert not thread.is_alive()
