"""
One trace from a request, through two services, a dead-letter queue and a redrive, over every engine.
"""

from json import dumps, loads
from pathlib import Path
from sys import modules
from typing import Any

import pytest
from marshmallow import fields
from microcosm.api import create_object_graph, load_from_dict
from opentelemetry import trace
from opentelemetry.trace import SpanKind

from microcosm_pubsub.broker.names import dead_letter_queue_name, queue_url
from microcosm_pubsub.codecs import PubSubMessageSchema
from microcosm_pubsub.dead_letters.reason import remove_reason
from microcosm_pubsub.dead_letters.sender import OutgoingMessage, QueueSender
from microcosm_pubsub.decorators import schema
from microcosm_pubsub.errors import DeadLetter
from microcosm_pubsub.fast.transport import find_hindrance
from tests.spans import parent_id, recorded, trace_ids


CONVENTIONS = loads((Path(__file__).parent / "conventions.json").read_text())
TYPES = {"string": str, "int": int, "boolean": bool}


@schema
class OrderSchema(PubSubMessageSchema):
    MEDIA_TYPE = "application/vnd.tracing.order"

    number = fields.Integer(required=True)


@schema
class InvoiceSchema(PubSubMessageSchema):
    MEDIA_TYPE = "application/vnd.tracing.invoice"

    number = fields.Integer(required=True)


TRACED = {"enabled": "true"}


class OverHttp:
    """Two services at an engine that speaks HTTP."""

    def __init__(self, engine, raw):
        self.engine = engine
        self.dead_letters = engine.create_queue()
        policy = dumps({"deadLetterTargetArn": engine.arn(self.dead_letters), "maxReceiveCount": "5"})
        self.queues = {"orders": engine.create_queue(), "invoices": engine.create_queue(RedrivePolicy=policy)}
        topics = {name: engine.create_topic(queue, raw=raw) for name, queue in self.queues.items()}
        self.mappings = {OrderSchema.MEDIA_TYPE: topics["orders"], InvoiceSchema.MEDIA_TYPE: topics["invoices"]}

    def make_graph(self, name):
        endpoint = {"endpoint_url": self.engine.url}
        config = {
            "sqs_consumer": {"sqs_queue_url": self.queues[name], "wait_seconds": 0, **endpoint},
            "sns_producer": endpoint,
            "sns_topic_arns": {"mappings": self.mappings},
        }
        return make_graph(name, config)


class OverBroker:
    """Two services at the embedded broker."""

    def __init__(self, path):
        self.url = f"sqlite:///{path / 'broker.db'}"
        self.dead_letters = queue_url(dead_letter_queue_name("invoices"))

    def make_graph(self, name):
        graph = make_graph(name, {"pubsub_broker": {"url": self.url}, "sqs_consumer": {"wait_seconds": 0}})
        media_type = OrderSchema.MEDIA_TYPE if name == "orders" else InvoiceSchema.MEDIA_TYPE
        topic_arn = graph.sns_producer.choose_topic_arn(media_type)
        graph.pubsub_broker.provision_subscriptions(graph.sqs_consumer.sqs_queue_url, {media_type: topic_arn})
        return graph


def make_graph(name: str, config: dict[str, Any]) -> Any:
    graph = create_object_graph(name, loader=load_from_dict({"pubsub_traces": TRACED, **config}))
    if graph.pubsub_broker is not None:
        graph.pubsub_broker.provision_queue(name)
    graph.use("opaque", "sns_producer", "sqs_consumer", "sqs_message_dispatcher")
    graph.lock()
    return graph


@pytest.fixture(params=["broker", "moto", "moto-raw", "ministack", "ministack-raw"])
def services(request, tmp_path):
    if request.param == "broker":
        return OverBroker(tmp_path)
    return OverHttp(request.getfixturevalue(request.param.removesuffix("-raw")), raw=request.param.endswith("-raw"))


def handle_all(graph, handlers):
    return [result for _ in range(3) for result in graph.sqs_message_dispatcher.handle_batch(handlers)]


def redrive(graph, dead_letters):
    """Send dead letters back, as `pubsub dlq redrive` does."""
    client = graph.sqs_client
    answer = client.receive_message(
        QueueUrl=dead_letters, MaxNumberOfMessages=10, MessageAttributeNames=["All"], AttributeNames=["All"]
    )
    (raw,) = answer["Messages"]
    sender = QueueSender(client, graph.sqs_consumer.sqs_queue_url)
    assert sender.send([OutgoingMessage(raw, remove_reason(raw.get("MessageAttributes")))]) == [None]
    client.delete_message(QueueUrl=dead_letters, ReceiptHandle=raw["ReceiptHandle"])


def test_one_trace_through_two_services(services):
    with recorded() as spans:
        orders, invoices = services.make_graph("orders"), services.make_graph("invoices")
        failing = [True]

        def handle_order(content):
            with spans.tracer.start_as_current_span("SELECT orders", kind=SpanKind.CLIENT):
                orders.sns_producer.produce(InvoiceSchema.MEDIA_TYPE, number=content["number"])
            return True

        def handle_invoice(content):
            if failing:
                raise DeadLetter("not yet")
            return True

        with spans.tracer.start_as_current_span("POST /orders", kind=SpanKind.SERVER):
            orders.sns_producer.produce(OrderSchema.MEDIA_TYPE, number=1)
        assert trace.get_current_span().get_span_context().is_valid is False
        handle_all(orders, {OrderSchema.MEDIA_TYPE: handle_order})
        handle_all(invoices, {InvoiceSchema.MEDIA_TYPE: handle_invoice})
        failing.clear()
        redrive(invoices, services.dead_letters)
        handle_all(invoices, {InvoiceSchema.MEDIA_TYPE: handle_invoice})

        request = spans.one("POST /orders")
        finished = [span for span in spans.finished if not span.name.startswith("receive")]
        ours = [span for span in finished if span.context.trace_id == request.context.trace_id]

    processes = [span for span in ours if span.name.startswith("process")]
    by_result = [(span.attributes["pubsub.media_type"], span.events[0].name) for span in processes]
    wanted = [
        (OrderSchema.MEDIA_TYPE, "pubsub.ack"),
        (InvoiceSchema.MEDIA_TYPE, "pubsub.dead_letter"),
        (InvoiceSchema.MEDIA_TYPE, "pubsub.ack"),
    ]
    assert by_result == wanted
    publishes = [span for span in ours if span.name.startswith("publish")]
    assert len(publishes) == 2
    assert parent_id(publishes[0]) == request.context.span_id
    assert {parent_id(span) for span in processes} <= {span.context.span_id for span in publishes}
    for span in processes:
        assert [link.context.span_id for link in span.links] == [parent_id(span)]
    (select,) = [span for span in ours if span.name == "SELECT orders"]
    assert parent_id(publishes[1]) == select.context.span_id
    assert parent_id(select) == processes[0].context.span_id
    # nothing is left over that belongs to no trace
    assert trace_ids(finished) == {request.context.trace_id}
    compare_with_conventions(spans.finished)


def compare_with_conventions(finished):
    """Hold the attributes of our spans against the registry of the conventions."""
    ours = [span for span in finished if span.instrumentation_scope.name == "microcosm_pubsub"]
    assert {span.attributes["messaging.operation.type"] for span in ours} >= {"send", "receive", "process"}
    for span in ours:
        attributes = dict(span.attributes)
        assert set(CONVENTIONS["required"]) <= attributes.keys()
        assert attributes["messaging.system"] in CONVENTIONS["messaging.system"]
        assert attributes["messaging.operation.type"] in CONVENTIONS["messaging.operation.type"]
        assert span.kind.name in CONVENTIONS["kinds"][attributes["messaging.operation.type"]]
        # https://opentelemetry.io/docs/specs/semconv/messaging/messaging-spans/#span-name
        assert span.name == f"{attributes['messaging.operation.name']} {attributes['messaging.destination.name']}"
        for name, value in attributes.items():
            if not name.startswith("pubsub."):
                assert type(value) is TYPES[CONVENTIONS["attributes"][name]], name
        assert (span.status.is_ok or "error.type" in attributes) is True


def test_the_names_are_those_of_opentelemetrys_own_package():
    from opentelemetry.semconv._incubating.attributes import messaging_attributes

    known = {value for name, value in vars(messaging_attributes).items() if name.startswith("MESSAGING_")}
    assert {name for name in CONVENTIONS["attributes"] if name.startswith("messaging.")} <= known
    systems = {each.value for each in messaging_attributes.MessagingSystemValues}
    assert set(CONVENTIONS["messaging.system"]) <= systems


def test_the_fast_calls_stay_with_instrumented_botocore(ministack):
    from opentelemetry.instrumentation.botocore import BotocoreInstrumentor

    instrumentor = BotocoreInstrumentor()
    with recorded() as spans:
        instrumentor.instrument(tracer_provider=spans.provider)
        try:
            services = OverHttp(ministack, raw=True)
            graph = services.make_graph("orders")
            handlers = {OrderSchema.MEDIA_TYPE: lambda content: True}
            for client in (graph.sqs_client, graph.sns_client):
                forget_moto(client)
            for number in range(5):
                graph.sns_producer.produce(OrderSchema.MEDIA_TYPE, number=number)
                handle_all(graph, handlers)
            hindrances = {find_hindrance(client) for client in (graph.sqs_client, graph.sns_client)}
        finally:
            instrumentor.uninstrument()

        theirs = [span for span in spans.finished if "botocore" in span.instrumentation_scope.name]
        names = [span.attributes["rpc.method"] for span in theirs if span.attributes.get("rpc.method") != "Subscribe"]
    assert hindrances == {None}
    # the first call of each operation is learned from
    assert names.count("Publish") == 1
    assert names.count("ReceiveMessage") == 1
    assert len(spans.named("process")) == 5


def forget_moto(client):
    """Let a client be as if moto had never been imported, as it is once its server has."""
    if models := modules.get("moto.core.models"):
        client.meta.events.unregister("before-send", models.botocore_stubber)
