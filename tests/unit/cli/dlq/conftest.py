"""
A queue with dead letters in a broker's file, and the command that looks into it.
"""

from argparse import Namespace
from io import StringIO
from json import dumps, loads

import pytest
from rich.console import Console

from microcosm_pubsub.broker.factory import open_broker
from microcosm_pubsub.broker.inspection import list_messages
from microcosm_pubsub.cli import main as cli
from microcosm_pubsub.cli.dlq.interrupts import Interrupts
from microcosm_pubsub.cli.dlq.session import Session
from microcosm_pubsub.dead_letters.reason import Reason, add_reason


class Engine:
    def __init__(self, url):
        self.url = url
        self.clients = open_broker(url)
        self.client = self.clients.queue_client
        self.clients.provision_queue("orders")
        self.source = self.find("orders")
        self.dead = self.find("orders-dead-letters")

    def find(self, name):
        return self.client.get_queue_url(QueueName=name)["QueueUrl"]

    def create(self, name, fifo=False, source_of=None):
        attributes = {"FifoQueue": "true", "ContentBasedDeduplication": "true"} if fifo else {}
        if source_of:
            arn = f"arn:aws:sqs:local:000000000000:{source_of}"
            attributes["RedrivePolicy"] = dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 3})
        return self.client.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]

    def bury(self, *bodies, url=None, attributes=None, redrives=0, message_id=None, **options):
        """Put messages into the dead-letter queue, as a daemon does."""
        for body in bodies:
            reason = Reason(
                "FAILED", "KeyError", "order_created", 3, source=self.source, redrives=redrives, message_id=message_id
            )
            self.client.send_message(
                QueueUrl=url or self.dead,
                MessageBody=body if isinstance(body, str) else dumps(body),
                MessageAttributes=add_reason({}, reason) if attributes is None else attributes,
                **options,
            )

    def stored(self, url=None):
        return list_messages(self.clients.broker, url or self.dead)

    def bodies(self, url=None):
        return [message.body for message in self.stored(url)]

    def counts(self, url=None):
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        answer = self.client.get_queue_attributes(QueueUrl=url or self.dead, AttributeNames=names)
        return tuple(int(answer["Attributes"][name]) for name in names)


@pytest.fixture
def engine(tmp_path):
    engine = Engine(f"sqlite:///{tmp_path / 'pubsub.db'}")
    yield engine
    engine.clients.close()


class Answer:
    def __init__(self, code, out, err):
        self.code = code
        self.out = out
        self.err = err

    @property
    def json(self):
        return loads(self.out)

    @property
    def lines(self):
        return [loads(line) for line in self.out.splitlines()]


@pytest.fixture
def dlq(engine, capsys, monkeypatch):
    """Run `pubsub dlq` on the broker."""
    monkeypatch.setenv("COLUMNS", "160")

    def run(command, *argv, broker=True):
        flags = ["--broker-url", engine.url] if broker else []
        capsys.readouterr()
        with pytest.raises(SystemExit) as raised:
            cli.main(["dlq", command, *argv, *flags])
        captured = capsys.readouterr()
        code = raised.value.code
        return Answer(1 if isinstance(code, str) else code, captured.out, captured.err + str(code))

    return run


class Spoiled:
    """
    A client some of whose calls go wrong.

    :param answers: for a method, the answers or errors of its next calls; None lets one through
    """

    def __init__(self, client, **answers):
        self.client = client
        self.answers = answers

    def __getattr__(self, method):
        def call(**parameters):
            answer = self.answers[method].pop(0) if self.answers.get(method) else None
            if isinstance(answer, Exception):
                raise answer
            return getattr(self.client, method)(**parameters) if answer is None else answer

        return call


@pytest.fixture
def make_session(engine):
    """Make what commands share, over a client that may be spoiled; what is told to people is in its console's file."""
    made = {
        "queue_url": "orders-dead-letters",
        "spend_attempts": False,
        "force": False,
        "max_redrives": 3,
        "rate": None,
    }

    def make(args=None, **answers):
        console = Console(file=StringIO(), width=200)
        client = Spoiled(engine.client, **answers)
        return Session(Namespace(**{**made, **(args or {})}), client, console, Interrupts(), wait_seconds=0)

    return make
