"""
Effects once: daemons that write to PostgreSQL and publish are killed at any moment, and PostgreSQL is restarted.

Messages are delivered twice, too. In the end each order must have been booked once, and its invoice too; and without
`once=True` at least once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from json import dumps
from pathlib import Path
from random import Random
from signal import SIGKILL
from tempfile import TemporaryDirectory
from time import monotonic, sleep

from botocore.exceptions import ClientError
from sqlalchemy import create_engine, func, select
from sqlalchemy.exc import DBAPIError

from microcosm_pubsub.broker.clients import BrokerClients
from microcosm_pubsub.broker.factory import open_broker
from microcosm_pubsub.broker.names import dead_letter_queue_name
from microcosm_pubsub.sql.base import Base
from microcosm_pubsub.sql.database import Database, Settings
from microcosm_pubsub.sql.url import parse_url
from tests.chaos.effects_model import INVOICE, ORDER, Booking
from tests.chaos.fleet import EXPECTED, LASTING, Fleet
from tests.chaos.postgres import PostgresServer
from tests.chaos.run import PATIENCE_SECONDS, Outcome


QUEUE = "effects"

#: So many of a thousand messages are delivered twice.
TWICE = 50

#: So much waits at most, in messages; and so much is done between two kills, at least.
BACKLOG = 600
MIN_PROGRESS = 10

#: Nothing is given up: whatever happens must be mended.
MAX_RECEIVE_COUNT = 1000


@dataclass(frozen=True)
class EffectsScale:
    """
    How big a run is.

    :param once: whether handlers say `once=True`
    """

    messages: int = 20_000
    kills: int = 300
    restarts: int = 20
    daemons: int = 3
    once: bool = True


def run_effects(seed: int, scale: EffectsScale, tell: Callable[[str], None] = lambda text: None) -> Outcome:
    """Run daemons with effects under faults, and return what came of it."""
    with ExitStack() as stack:
        server = PostgresServer(stack)
        directory = Path(stack.enter_context(TemporaryDirectory(prefix="effects-")))
        return EffectsRun(seed, scale, server, directory, tell).run()


class EffectsRun:
    """
    One run.

    :param server: holds the broker and the daemons' database
    :param directory: for logs
    :param tell: is told how it goes
    """

    def __init__(
        self, seed: int, scale: EffectsScale, server: PostgresServer, directory: Path, tell: Callable[[str], None]
    ) -> None:
        self.seed = seed
        self.scale = scale
        self.server = server
        self.tell = tell
        self.random = Random(f"{seed}/effects")
        self.counts: Counter[str] = Counter()
        self.database = Database.open_url(parse_url(server.url), Settings(schema="pubsub"))
        self.engine = create_engine(server.url)
        self.sent = 0
        self.fleet = Fleet(
            directory,
            {
                "EFFECTS_ONCE": "yes" if scale.once else "no",
                "EFFECTS__LOGGING__LEVEL": "WARNING",
                "EFFECTS__PUBSUB_DATABASE__URL": server.url,
                "EFFECTS__PUBSUB_OUTBOX__CLAIM_SECONDS": "2",
                "EFFECTS__PUBSUB_WORKER__CONCURRENCY": "4",
                "EFFECTS__PUBSUB_WORKER__MAX_BUFFER": "60",
                "EFFECTS__PUBSUB_WORKER__VISIBILITY_TIMEOUT_SECONDS": "3",
                "EFFECTS__SQS_CONSUMER__WAIT_SECONDS": "1",
                "EFFECTS__SQS_CONSUMER__MESSAGE_RETRY_VISIBILITY_TIMEOUT_SECONDS": "1",
            },
            expected=frozenset({*EXPECTED, LASTING}),
            program=("-m", "tests.chaos.effects_daemon"),
        )

    def run(self) -> Outcome:
        """Run it."""
        started = monotonic()
        self.database.upgrade()
        Base.metadata.create_all(self.engine, [Booking.__table__])
        with closing(open_broker(self.server.url, max_receive_count=MAX_RECEIVE_COUNT)) as clients:
            clients.provision_queue(QUEUE)
            try:
                for _ in range(self.scale.daemons):
                    self.fleet.add("--broker-url", self.server.url, "--sqs-queue-url", QUEUE)
                self._break_things(clients)
                self.tell("faults end; draining")
                left = self._drain(clients)
                self.fleet.stop()
                outcome = self._judge(clients, left)
            finally:
                self.fleet.destroy()
                self.database.close()
                self.engine.dispose()
        outcome.seconds = monotonic() - started
        return outcome

    def _break_things(self, clients: BrokerClients) -> None:
        """Feed the daemons, and kill them, and restart the database, until there was enough of all."""
        scale = self.scale
        restarts = set(self.random.sample(range(scale.kills), scale.restarts))
        for kill in range(scale.kills):
            if self.fleet.failed:
                return
            self._feed(clients, scale.messages * (kill + 1) // scale.kills)
            self._wait_for_progress(scale.messages * 2 * kill // scale.kills - BACKLOG)
            sleep(self.random.uniform(0, 0.3))
            if kill in restarts:
                how = self.random.choice(["fast", "immediate"])
                self.server.stop(how)
                sleep(self.random.uniform(0.1, 1.0))
                self.server.start()
                self.counts[f"PostgreSQL restarted ({how})"] += 1
            while not self.fleet.kill(self.random.choice(self.fleet.daemons).key, SIGKILL):
                self.fleet.tend()
            self.counts["SIGKILL: any moment"] += 1
            self.fleet.tend()
            if kill % 20 == 0:
                self.tell(f"{self.sent} sent, {kill + 1} killed, {self._count_bookings()} booked")
        self._feed(clients, scale.messages)

    def _wait_for_progress(self, goal: int) -> None:
        """Wait until so much is booked, and something since the last kill: daemons must be at work when they die."""
        before, since = self._count_bookings(), monotonic()
        while (booked := self._count_bookings()) < max(goal, before + MIN_PROGRESS):
            if self.fleet.failed or monotonic() > since + PATIENCE_SECONDS or booked == 2 * self.sent:
                return
            self.fleet.tend()
            sleep(0.05)

    def _feed(self, clients: BrokerClients, goal: int) -> None:
        while self.sent < goal:
            numbers = range(self.sent, min(goal, self.sent + 10))
            bodies = [self._make_body(number) for number in numbers]
            twice = [body for body in bodies if self.random.random() * 1000 < TWICE]
            self.counts["delivered twice"] += len(twice)
            for batch in (bodies, twice):
                entries = [{"Id": str(index), "MessageBody": body} for index, body in enumerate(batch)]
                if entries:
                    self._patiently(
                        lambda entries=entries: clients.queue_client.send_message_batch(QueueUrl=QUEUE, Entries=entries)
                    )
            self.sent += len(numbers)

    def _make_body(self, number: int) -> str:
        return dumps({"mediaType": ORDER, "number": number, "opaqueData": {"x-message-id": f"order-{number}"}})

    def _drain(self, clients: BrokerClients) -> int:
        """Wait until nothing is left, and return how much is if nothing happens any more."""
        left, booked, since = self._left(clients), self._count_bookings(), monotonic()
        while left and not self.fleet.failed and monotonic() < since + PATIENCE_SECONDS:
            sleep(0.2)
            self.fleet.tend()
            state = self._left(clients), self._count_bookings()
            if state != (left, booked):
                (left, booked), since = state, monotonic()
        return left

    def _left(self, clients: BrokerClients) -> int:
        def look() -> int:
            answer = clients.queue_client.get_queue_attributes(QueueUrl=QUEUE, AttributeNames=["All"])
            names = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
            with self.engine.connect() as connection:
                waiting = connection.scalar(select(func.count()).select_from(self.database.tables.outbox)) or 0
            return waiting + sum(int(answer["Attributes"][name]) for name in names)

        return self._patiently(look)

    def _count_bookings(self) -> int:
        def look() -> int:
            with self.engine.connect() as connection:
                return connection.scalar(select(func.count()).select_from(Booking)) or 0

        return self._patiently(look)

    def _patiently(self, call: Callable[[], int]) -> int:
        deadline = monotonic() + PATIENCE_SECONDS
        while True:
            # the database may need a moment
            with suppress(ClientError, DBAPIError):
                return call()
            assert monotonic() < deadline, "PostgreSQL does not come back"
            sleep(0.1)

    def _judge(self, clients: BrokerClients, left: int) -> Outcome:
        outcome = Outcome(self.seed, faults=self.counts, violations=list(self.fleet.violations))
        if left:
            outcome.violations.append(f"{left} messages are left, in the queue or the outbox")
        answer = clients.queue_client.get_queue_attributes(
            QueueUrl=dead_letter_queue_name(QUEUE), AttributeNames=["All"]
        )
        outcome.dead = int(answer["Attributes"]["ApproximateNumberOfMessages"])
        if outcome.dead:
            outcome.violations.append(f"{outcome.dead} messages were given up")
        outcome.messages = self.sent
        for media_type in (ORDER, INVOICE):
            with self.engine.connect() as connection:
                booked = Counter(connection.scalars(select(Booking.number).where(Booking.media_type == media_type)))
            outcome.handled += len(booked)
            again = sum(booked.values()) - len(booked)
            outcome.duplicates += again
            if lost := self.sent - len(booked):
                outcome.violations.append(f"{lost} of {media_type} are lost")
            if again and self.scale.once:
                outcome.violations.append(f"{again} of {media_type} are booked again")
        return outcome
