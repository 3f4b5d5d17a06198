"""
What no input may break: one receive, handled and settled, with healthy neighbours before it and after it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from json import dumps
from logging import CRITICAL, NOTSET, getLogger
from typing import Any

from marshmallow import Schema, fields
from microcosm.api import create_object_graph

from microcosm_pubsub.backoff import NaiveBackoffPolicy
from microcosm_pubsub.codecs import PubSubMessageSchema
from microcosm_pubsub.consumer import SQSConsumer
from microcosm_pubsub.conventions import changed, created, deleted
from microcosm_pubsub.errors import Nack, SkipMessage
from microcosm_pubsub.result import MessageHandlingResultType


HEALTHY = "application/vnd.fuzz.healthy"
STRICT = "application/vnd.fuzz.strict"
FAILING = "application/vnd.fuzz.failing"
MEDIA_TYPES = [HEALTHY, STRICT, FAILING, created("fuzz"), changed("fuzz"), deleted("fuzz")]

ACKED = {outcome for outcome in MessageHandlingResultType if not outcome.retry}


class FuzzHealthySchema(PubSubMessageSchema):
    MEDIA_TYPE = HEALTHY


class FuzzInnerSchema(Schema):
    name = fields.String(required=True)


class FuzzStrictSchema(PubSubMessageSchema):
    MEDIA_TYPE = STRICT

    integer = fields.Integer()
    decimal = fields.Decimal()
    moment = fields.DateTime()
    timestamp = fields.DateTime(format="timestamp")
    span = fields.TimeDelta()
    uuid = fields.UUID()
    url = fields.URL()
    email = fields.Email()
    ip = fields.IP()
    mapping = fields.Dict(keys=fields.String(), values=fields.Integer())
    inner = fields.Nested(FuzzInnerSchema)
    records = fields.List(fields.Dict(), data_key="Records")


class FuzzFailingSchema(PubSubMessageSchema):
    MEDIA_TYPE = FAILING

    how = fields.Raw()


class FakeQueue:
    """One receive, and what became of it: of each receipt handle, whether it was deleted, released or sent on."""

    def __init__(self) -> None:
        self.raws: Sequence[Mapping[str, Any]] = ()
        self.settled: dict[Any, list[str]] = {}
        self.sent: list[Mapping[str, Any]] = []

    def receive_message(self, **kwargs: Any) -> dict[str, Any]:
        return {"Messages": self.raws}

    def delete_message_batch(self, Entries: Sequence[Mapping[str, Any]], **kwargs: Any) -> dict[str, Any]:  # noqa: N803
        return self._settle("deleted", Entries)

    def change_message_visibility_batch(
        self,
        Entries: Sequence[Mapping[str, Any]],  # noqa: N803
        **kwargs: Any,
    ) -> dict[str, Any]:
        assert all(0 <= entry["VisibilityTimeout"] <= 43200 for entry in Entries)
        return self._settle("released", Entries)

    def delete_message(self, **kwargs: Any) -> dict[str, Any]:
        return self._settle("deleted", [kwargs])

    def change_message_visibility(self, **kwargs: Any) -> dict[str, Any]:
        return self._settle("released", [kwargs])

    def send_message_batch(self, Entries: Sequence[Mapping[str, Any]], **kwargs: Any) -> dict[str, Any]:  # noqa: N803
        assert all(len(entry.get("MessageAttributes", ())) <= 10 for entry in Entries)
        self.sent.extend(Entries)
        return {"Successful": [{"Id": entry["Id"]} for entry in Entries]}

    def _settle(self, how: str, entries: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        for entry in entries:
            self.settled.setdefault(entry["ReceiptHandle"], []).append(how)
        return {}


def fail(content: Mapping[str, Any]) -> bool:
    """Fail as the content says."""
    how = content.get("how")
    if how == "skip":
        raise SkipMessage("skipped")
    if how == "nack":
        raise Nack(5)
    if isinstance(how, (int, float)):
        raise Nack(how)  # type: ignore[arg-type]
    raise RuntimeError(str(how)[:1000])


class Subject:
    """A dispatcher, as a daemon has it."""

    def __init__(self) -> None:
        graph = create_object_graph("fuzz", testing=True)
        graph.use("sqs_message_dispatcher", "sqs_consumer")
        self.registry = graph.pubsub_message_schema_registry
        for schema in (FuzzHealthySchema, FuzzStrictSchema, FuzzFailingSchema):
            self.registry.register(schema.MEDIA_TYPE, schema)
        self.dispatcher = graph.sqs_message_dispatcher
        self.queue = FakeQueue()
        self.consumer = SQSConsumer(
            self.queue, "queue", graph.sqs_envelope, NaiveBackoffPolicy(1), dead_letter_queue_url="dead"
        )
        self.handlers = {media_type: lambda content: True for media_type in MEDIA_TYPES} | {FAILING: fail}

    def handle(self, raws: Sequence[Mapping[str, Any]]) -> None:
        """Handle messages as they might be received, between two that are well; none may disturb another."""
        numbered = [healthy(), *raws, healthy()]
        self.queue.raws = [{**raw, "MessageId": f"m{n}", "ReceiptHandle": f"r{n}"} for n, raw in enumerate(numbered)]
        self.queue.settled, self.queue.sent = {}, []
        failures = self.dispatcher.counts["OBSERVER_FAILED"]
        refused = self.dispatcher.counts["SETTLE_FAILED"]

        results = self.dispatcher.handle_batch(self.handlers, self.consumer)

        assert len(results) == len(numbered)
        assert results[0].result is results[-1].result is MessageHandlingResultType.SUCCEEDED
        for number, result in enumerate(results):
            expected = "deleted" if result.result in ACKED or result.dead_letter else "released"
            assert self.queue.settled.get(f"r{number}") == [expected], (number, result)
        dead = [number for number, result in enumerate(results) if result.dead_letter]
        assert [entry["MessageBody"] for entry in self.queue.sent] == [numbered[number].get("Body") for number in dead]
        assert self.dispatcher.counts["OBSERVER_FAILED"] == failures
        assert self.dispatcher.counts["SETTLE_FAILED"] == refused


def healthy() -> dict[str, Any]:
    return {"Body": dumps({"mediaType": HEALTHY})}


@contextmanager
def silent() -> Iterator[None]:
    """Write no log lines of bad messages: there are to be many."""
    logger = getLogger("microcosm_pubsub")
    logger.setLevel(CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(NOTSET)
