"""
Programs that write a row for each message of a queue, each measured in a process of its own.

    python -m benchmarks.sql_consumers NAME QUEUE_URL MESSAGES DATABASE_URL

`daemon` is a daemon with `transaction=True`. `hand` is what one writes by hand, over the same engine and boto3: a
session and a commit for each message, and a delete for ten.
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from json import dumps, loads
from logging import getLogger
from os import environ
from time import perf_counter

import boto3
from marshmallow import fields
from sqlalchemy.orm import Mapped, Session, mapped_column

from benchmarks.endpoint import MEDIA_TYPE
from benchmarks.usage import check, cpu_seconds
from microcosm_pubsub import ConsumerDaemon, PubSubMessageSchema, handles, schema
from microcosm_pubsub.sql import Base
from microcosm_pubsub.sql.engine import make_engine
from microcosm_pubsub.sql.url import parse_url


class Order(Base):
    """A row of four columns."""

    __tablename__ = "bench_orders"

    id: Mapped[int] = mapped_column(primary_key=True)
    order_id: Mapped[str]
    customer: Mapped[str]
    amount: Mapped[int]


@schema
class SQLOrderSchema(PubSubMessageSchema):
    """What the endpoint sends."""

    MEDIA_TYPE = MEDIA_TYPE

    orderId = fields.String(required=True)  # noqa: N815
    customer = fields.String(required=True)
    amount = fields.Integer(required=True)


@handles(SQLOrderSchema, transaction=True)
def store_order(content: dict[str, object], session: Session) -> bool:
    """Write a row."""
    session.add(make_order(content))
    return True


def make_order(content: dict[str, object]) -> Order:
    return Order(order_id=content["orderId"], customer=content["customer"], amount=content["amount"])


class SQLBenchDaemon(ConsumerDaemon):
    """A daemon as it comes."""

    name = "bench"


def run_daemon(args: Namespace) -> Callable[[], None]:
    """Prepare a daemon, and return what runs it to its end."""
    environ["BENCH__PUBSUB_WORKER__MAX_MESSAGES"] = str(args.messages)
    environ["BENCH__PUBSUB_DATABASE__URL"] = args.database_url
    sys.argv = ["bench", "--sqs-queue-url", args.queue_url]
    daemon = SQLBenchDaemon()
    daemon.initialize()
    for handler in getLogger().handlers:
        # the lines are made and written, where they disturb nobody
        handler.setStream(open("/dev/null", "w"))  # type: ignore[attr-defined]  # noqa: SIM115
    return lambda: check(daemon.graph.pubsub_worker.run(daemon.bound_handlers))


def run_by_hand(args: Namespace) -> Callable[[], None]:
    """Prepare a hand-written loop, and return what runs it to the end of the queue."""
    engine = make_engine(parse_url(args.database_url))
    client = boto3.client("sqs", region_name="us-east-1", endpoint_url=args.queue_url.rsplit("/", 2)[0])

    def run() -> None:
        for _ in range(0, args.messages, 10):
            answer = client.receive_message(QueueUrl=args.queue_url, MaxNumberOfMessages=10, WaitTimeSeconds=5)
            entries = []
            for index, message in enumerate(answer["Messages"]):
                content = loads(message["Body"])
                with Session(engine) as session:
                    session.add(make_order(loads(content["Message"]) if "Message" in content else content))
                    session.commit()
                entries.append({"Id": str(index), "ReceiptHandle": message["ReceiptHandle"]})
            client.delete_message_batch(QueueUrl=args.queue_url, Entries=entries)

    return run


CONSUMERS = {"daemon": run_daemon, "hand": run_by_hand}


def main() -> None:
    """Run one consumer, and print what it took as JSON."""
    parser = ArgumentParser()
    parser.add_argument("name", choices=CONSUMERS)
    parser.add_argument("queue_url")
    parser.add_argument("messages", type=int)
    parser.add_argument("database_url")
    args = parser.parse_args()
    Base.metadata.create_all(make_engine(parse_url(args.database_url)))
    run = CONSUMERS[args.name](args)
    cpu, start = cpu_seconds(), perf_counter()
    run()
    print(dumps({"seconds": perf_counter() - start, "cpu_seconds": cpu_seconds() - cpu}))


if __name__ == "__main__":
    main()
