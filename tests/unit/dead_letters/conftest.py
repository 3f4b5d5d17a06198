"""
A queue and its dead-letter queue in a broker, whose clock stands still until told.
"""

from itertools import count
from json import dumps

import pytest

from microcosm_pubsub.broker.factory import open_broker
from microcosm_pubsub.broker.inspection import list_messages
from microcosm_pubsub.dead_letters.queue import DeadLetterQueue
from microcosm_pubsub.dead_letters.scan import Scan


NUMBERS = count()


class Box:
    """
    The queue `orders` with its dead-letter queue, or `orders.fifo`.

    :param clients: of the broker
    """

    def __init__(self, clients, clock, fifo=False):
        self.broker = clients.broker
        self.client = clients.queue_client
        self.clock = clock
        self.fifo = fifo
        suffix = ".fifo" if fifo else ""
        clients.provision_queue(f"orders{suffix}")
        self.source = self.url(f"orders{suffix}")
        self.dead = self.url(f"orders-dead-letters{suffix}")

    def url(self, name):
        return self.client.get_queue_url(QueueName=name)["QueueUrl"]

    def arn(self, url):
        return self.client.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]

    def create(self, name, **attributes):
        return self.client.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]

    def send(self, *bodies, url=None, group=None, attributes=None, **options):
        """Put messages into the dead-letter queue, unless another is named."""
        for body in bodies:
            if self.fifo:
                options |= {"MessageGroupId": group or "g", "MessageDeduplicationId": str(next(NUMBERS))}
            text = body if isinstance(body, str) else dumps(body)
            self.client.send_message(
                QueueUrl=url or self.dead, MessageBody=text, MessageAttributes=attributes or {}, **options
            )

    def stored(self, url=None):
        return list_messages(self.broker, url or self.dead)

    def bodies(self, url=None):
        return [message.body for message in self.stored(url)]

    @property
    def hidden(self):
        """How many dead letters cannot be received now."""
        return sum(message.visible_at > self.clock() for message in self.stored())

    def receive(self, url=None, **options):
        answer = self.client.receive_message(
            QueueUrl=url or self.dead,
            MaxNumberOfMessages=10,
            AttributeNames=["All"],
            MessageAttributeNames=["All"],
            **options,
        )
        return answer.get("Messages", [])

    def scan(self, client=None, **options):
        options = {"wait_seconds": 0, "clock": self.clock, "now": self.clock, **options}
        return Scan(client or self.client, self.dead, **options)

    def queue(self, **options):
        return DeadLetterQueue(self.client, self.source, clock=self.clock, **options)


class Clock:
    def __init__(self):
        self.time = 1_750_000_000.0

    def __call__(self):
        return self.time

    def advance(self, seconds):
        self.time += seconds


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture(params=["memory", "file"])
def clients(request, tmp_path, clock):
    url = "sqlite://" if request.param == "memory" else f"sqlite:///{tmp_path / 'pubsub.db'}"
    clients = open_broker(url, clock=clock)
    yield clients
    clients.close()


@pytest.fixture
def make_box(clients, clock):
    return lambda fifo=False: Box(clients, clock, fifo)


@pytest.fixture
def box(make_box):
    return make_box()


@pytest.fixture
def fifo_box(make_box):
    return make_box(fifo=True)


class Spoiled:
    """
    A client that does not do all that it is told.

    :param refuse: for a method, a function of an entry of a batch call that gives the code to refuse it with, if any
    :param down: for a method, the errors of its next calls; None lets one through
    """

    def __init__(self, client, refuse=None, down=None):
        self.client = client
        self.refuse = refuse or {}
        self.down = {method: list(errors) for method, errors in (down or {}).items()}
        self.calls = []

    def __getattr__(self, method):
        call = getattr(self.client, method)

        def spoiled(**parameters):
            self.calls.append((method, parameters))
            if self.down.get(method) and (error := self.down[method].pop(0)) is not None:
                raise error
            refuse = self.refuse.get(method)
            if refuse is None:
                return call(**parameters)
            failed = [(entry, code) for entry in parameters["Entries"] if (code := refuse(entry))]
            kept = [entry for entry in parameters["Entries"] if not refuse(entry)]
            answer = call(**{**parameters, "Entries": kept}) if kept else {}
            return {**answer, "Failed": [fail(entry, code) for entry, code in failed]}

        return spoiled


def fail(entry, code):
    return {"Id": entry["Id"], "Code": code, "SenderFault": code != "InternalError"}


@pytest.fixture
def spoil():
    return Spoiled
