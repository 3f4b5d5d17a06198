"""
Parts of a worker, whose time stands still, and whose chances are the same each time.
"""

from functools import partial
from random import Random
from threading import Thread
from types import SimpleNamespace

import pytest

from microcosm_pubsub.backoff import NaiveBackoffPolicy
from microcosm_pubsub.consumer import SQSConsumer
from microcosm_pubsub.message import SQSMessage
from microcosm_pubsub.message.lease import Lease
from microcosm_pubsub.registry import DEFAULT_OPTIONS, Route
from microcosm_pubsub.retry import RetryPolicy
from microcosm_pubsub.worker.leases import LeaseKeeper
from tests.waiting import SECONDS


@pytest.fixture
def find_route():
    """Give routes by the options that are known here of a media type."""
    routes = {}

    def find(media_type, options=DEFAULT_OPTIONS):
        if media_type not in routes:
            routes[media_type] = Route(media_type, None, options, RetryPolicy(), lambda message: True)
        return routes[media_type]

    return find


@pytest.fixture
def make_message(clock, find_route):
    def make(number=0, group=None, fifo=False, media_type="a/b", **more):
        return SQSMessage(
            consumer=None,
            content={"number": number},
            media_type=media_type,
            message_id=f"m{number}",
            receipt_handle=f"r{number}",
            group_id=group,
            attributes={"SequenceNumber": str(number)} if fifo else {},
            **{"lease": Lease(clock() + 30, clock() + 3600, clock=clock), "route": find_route(media_type), **more},
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
    return LeaseKeeper(consumer, 30, 3600, clock, Random(1))


@pytest.fixture
def hold(keeper, make_message, clock):
    """Have messages held by the keeper."""

    def hold_some(count=1, **options):
        messages = [make_message(number, **options) for number in range(count)]
        keeper.hold(messages, clock())
        return messages

    return hold_some


class InlineReactor:
    """Make each call at once, and wake nobody."""

    def __init__(self, client):
        self.client = client
        self.is_using_threads = False
        self.woken_by = []

    def call(self, method, parameters, done):
        done(partial(getattr(self.client, method), **parameters))

    def run(self, job):
        job()

    def wake_by(self, when):
        self.woken_by.append(when)


class StoppedReactor(InlineReactor):
    """Keep calls for the test to answer."""

    def __init__(self, client=None):
        super().__init__(client)
        self.calls = []

    def call(self, method, parameters, done):
        self.calls.append((method, parameters, done))

    def answer(self, answer=None, index=0):
        """Answer a call with a value, an error, or what the client says."""
        method, parameters, done = self.calls.pop(index)

        def get():
            if isinstance(answer, BaseException):
                raise answer
            return getattr(self.client, method)(**parameters) if answer is None else answer

        done(get)


@pytest.fixture
def reactor(client):
    return InlineReactor(client)


@pytest.fixture
def stopped_reactor(client):
    return StoppedReactor(client)


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
