"""What a handler publishes in its transaction is created there, and sent after it, in one trace."""

import pytest
from marshmallow import fields
from opentelemetry.trace import SpanKind

from microcosm_pubsub.codecs import PubSubMessageSchema
from microcosm_pubsub.decorators import schema
from tests.spans import recorded, trace_ids


@schema
class KeptSchema(PubSubMessageSchema):
    MEDIA_TYPE = "application/vnd.traces.kept"

    number = fields.Integer(required=True)


CONFIG = {"pubsub_traces": {"enabled": "true"}, "pubsub_database": {"auto_upgrade": True}}


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path}/orders.db"


def test_one_trace(make_app, url):
    with recorded() as spans:
        app = make_app(url, **CONFIG)
        producer = app.graph.sns_producer
        with spans.tracer.start_as_current_span("request"), app.database.transaction():
            producer.produce_batch([{"media_type": KeptSchema.MEDIA_TYPE, "number": number} for number in (1, 2)])
            assert {span.name.split()[0] for span in spans.finished} == {"create"}
        created, sent = spans.named("create"), spans.named("publish")

    assert {span.kind for span in created} == {SpanKind.PRODUCER}
    assert len(created) == 2
    assert {span.kind for span in sent} == {SpanKind.CLIENT}
    links = {link.context.span_id for span in sent for link in span.links}
    assert links == {span.context.span_id for span in created}
    assert trace_ids([*created, *sent]) == trace_ids([spans.one("request")])


def test_what_is_not_committed_is_never_sent(make_app, url):
    def fail(app, spans):
        with app.database.transaction():
            app.graph.sns_producer.produce(KeptSchema.MEDIA_TYPE, number=1)
            raise ValueError("not today")

    with recorded() as spans:
        app = make_app(url, **CONFIG)
        with pytest.raises(ValueError, match="not today"):
            fail(app, spans)

    assert [span.name.split()[0] for span in spans.finished] == ["create"]
