"""
Arbitrary bodies: none is raised for, none is lost unseen.
"""

from contextlib import suppress
from itertools import count
from json import dumps
from logging import CRITICAL, NOTSET, getLogger
from socket import create_server
from threading import Thread

import pytest
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from marshmallow import Schema, ValidationError, fields
from microcosm.api import create_object_graph, load_from_dict

from microcosm_pubsub.backoff import NaiveBackoffPolicy
from microcosm_pubsub.broker.sns.filter_condition import PolicyError
from microcosm_pubsub.broker.sns.filter_policy import parse_policy
from microcosm_pubsub.clients import make_client
from microcosm_pubsub.codecs import PubSubMessageCodec, PubSubMessageSchema
from microcosm_pubsub.consumer import SQSConsumer
from microcosm_pubsub.conventions import changed, created, deleted
from microcosm_pubsub.decorators import schema
from microcosm_pubsub.errors import ReceiveError
from microcosm_pubsub.fields import UUIDField
from microcosm_pubsub.reader import parse_line
from tests.fuzz.subject import MEDIA_TYPES as FUZZED_MEDIA_TYPES
from tests.fuzz.subject import STRICT, Subject, silent


MEDIA_TYPE = "application/vnd.fuzz.everything"


class InnerSchema(Schema):
    name = fields.String(required=True)


@schema
class FuzzSchema(PubSubMessageSchema):
    MEDIA_TYPE = MEDIA_TYPE

    integer = fields.Integer()
    number = fields.Float()
    decimal = fields.Decimal()
    boolean = fields.Boolean()
    moment = fields.DateTime()
    timestamp = fields.DateTime(format="timestamp")
    day = fields.Date()
    span = fields.TimeDelta()
    uuid = fields.UUID()
    text_uuid = UUIDField()
    url = fields.URL()
    email = fields.Email()
    ip = fields.IP()
    mapping = fields.Dict(keys=fields.String(), values=fields.Integer())
    inner = fields.Nested(InnerSchema)
    inners = fields.List(fields.Nested(InnerSchema))
    pair = fields.Tuple((fields.Integer(), fields.Float()))
    raw = fields.Raw()


NAMES = sorted(FuzzSchema().fields)
MEDIA_TYPES = [MEDIA_TYPE, created("fuzz"), changed("fuzz"), deleted("fuzz"), "application/vnd.fuzz.unknown", "", "*"]
FIELDS = [*NAMES, "mediaType", "opaqueData", "uri", "id", "Message", "TopicArn", "MessageAttributes", "Body"]

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from([10**400, -1, "NaN", "1e999"]),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(), children, max_size=3),
    max_leaves=8,
)
messages = st.builds(
    lambda content, media_type: content | media_type,
    st.dictionaries(st.sampled_from(FIELDS), values, max_size=5),
    st.one_of(st.just({}), st.sampled_from(MEDIA_TYPES).map(lambda name: {"mediaType": name})),
)
attributes = st.one_of(
    values,
    st.dictionaries(
        st.just("media_type"),
        values | st.dictionaries(st.sampled_from(["Type", "Value", "StringValue", "BinaryValue"]), values),
    ),
)
texts = st.one_of(st.text(), values.map(dumps), messages.map(dumps))
wrapped = st.builds(
    lambda text, more, found: dumps({"Message": text, **more, "MessageAttributes": found}),
    st.recursive(texts, lambda inner: inner.map(lambda text: dumps({"Message": text})), max_leaves=3),
    st.dictionaries(st.sampled_from(["TopicArn", "Type", "mediaType"]), values),
    attributes,
)
bodies = texts | wrapped
raw_messages = st.builds(
    lambda body, found, own: {"MessageId": "m", "Body": body, "MessageAttributes": found, "Attributes": own},
    bodies | values,
    attributes,
    values | st.dictionaries(st.sampled_from(["ApproximateReceiveCount", "MessageGroupId", "SequenceNumber"]), values),
)

relaxed = settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.too_slow])


@pytest.fixture(scope="module", params=["CodecSQSEnvelope", "RawSQSEnvelope", "NaiveSQSEnvelope", "LambdaSQSEnvelope"])
def fuzzed_graph(request):
    config = load_from_dict(sqs_envelope={"strategy_name": request.param})
    graph = create_object_graph("fuzz", testing=True, loader=config)
    graph.use("sqs_message_dispatcher", "sqs_consumer")
    getLogger("microcosm_pubsub").setLevel(CRITICAL)
    # hypothesis asks its arguments for attributes, which a graph refuses
    yield lambda: graph
    getLogger("microcosm_pubsub").setLevel(NOTSET)


class Given:
    """A client of which one receive is asked for."""

    def __init__(self, raw_messages):
        self.raw_messages = raw_messages

    def receive_message(self, **kwargs):
        return {"Messages": self.raw_messages}


@relaxed
@given(raws=st.lists(raw_messages, min_size=1, max_size=5))
def test_consume_gives_one_message_for_each(fuzzed_graph, raws):
    numbered = [{**raw, "ReceiptHandle": f"r{number}"} for number, raw in enumerate(raws)]
    consumer = SQSConsumer(Given(numbered), "queue", fuzzed_graph().sqs_envelope, NaiveBackoffPolicy())

    consumed = consumer.consume()

    assert [message.receipt_handle for message in consumed] == [raw["ReceiptHandle"] for raw in numbered]
    assert all(message.content is None for message in consumed if message.error)


@relaxed
@given(sent=st.lists(bodies, min_size=1, max_size=10))
def test_handling_deletes_none_unseen(fuzzed_graph, sent):
    graph = fuzzed_graph()
    # a queue of its own for each example
    queue_url = f"queue-{next(NUMBERS)}"
    consumer = SQSConsumer(graph.sqs_client, queue_url, graph.sqs_envelope, NaiveBackoffPolicy())
    graph.sqs_message_dispatcher.counts.clear()
    engine = graph.pubsub_testing.engine
    for body in sent:
        send(engine, queue_url, body)
    accepted = [message.body for message in engine.messages(queue_url)]
    undecodable = find_undecodable(engine, consumer)
    seen = []
    handlers = dict.fromkeys(MEDIA_TYPES, lambda content: seen.append(content) or True)

    results = graph.sqs_message_dispatcher.handle_batch(handlers, consumer)

    assert len(results) == len(accepted)
    assert sorted(message.body for message in engine.messages(queue_url)) == sorted(undecodable)
    assert graph.sqs_message_dispatcher.counts["FAILED"] == len(undecodable)
    assert graph.sqs_message_dispatcher.counts["OBSERVER_FAILED"] == 0


NUMBERS = count(1)


def send(engine, queue_url, body):
    """Send a message, unless a queue would not take it."""
    with suppress(ClientError):
        engine.queue_client.send_message(QueueUrl=queue_url, MessageBody=body.encode("utf-8", "replace").decode())


def find_undecodable(engine, consumer):
    """Return the bodies that cannot be decoded, and leave the queue as it was."""
    messages = consumer.consume()
    by_id = {message.message_id: message.body for message in engine.messages(consumer.sqs_queue_url)}
    assert consumer.nack_batch([(message, 0) for message in messages]) == []
    return [by_id[message.message_id] for message in messages if message.error]


@relaxed
@given(message=st.one_of(bodies, values, messages, st.binary()))
@pytest.mark.parametrize("media_type", [MEDIA_TYPE, created("fuzz"), changed("fuzz"), deleted("fuzz")])
def test_decode_raises_validation_errors_alone(fuzz_registry, media_type, message):
    codec = fuzz_registry.find(media_type)
    if message is None or isinstance(message, (bool, int, float, list)):
        message = dumps(message)

    try:
        assert isinstance(codec.decode(message), dict)
    except ValidationError as error:
        named = type(codec.schema).__name__ in str(error.messages)
    else:
        named = True
    assert named


@pytest.fixture(scope="module")
def fuzz_registry():
    return create_object_graph("fuzz", testing=True).pubsub_message_schema_registry


@relaxed
@given(content=st.dictionaries(st.sampled_from(NAMES), values))
def test_encode_raises_validation_errors_alone(content):
    codec = PubSubMessageCodec(FuzzSchema())

    try:
        text = codec.encode(content)
    except ValidationError:
        return
    assert isinstance(codec.decode(text), dict)


@relaxed
@given(line=st.one_of(st.binary(), bodies.map(lambda text: text.encode("utf-8", "replace"))))
def test_any_line_is_a_raw_message(line):
    message = parse_line(line, "file:1")

    assert {"MessageId", "ReceiptHandle", "Body"} <= set(message)


deep = st.integers(1, 200_000).map(lambda depth: "[" * depth)
twice = st.builds(
    lambda name, a, b: f'{{"{name}": {dumps(a)}, "{name}": {dumps(b)}}}', st.sampled_from(FIELDS), values, values
)
events = st.lists(
    st.fixed_dictionaries({"s3": values, "eventName": values}, optional={"awsRegion": values}), max_size=2
).map(lambda records: dumps({"mediaType": STRICT, "Records": records}))
handled = st.builds(
    lambda media_type, how, opaque: dumps({"mediaType": media_type, "how": how, "opaqueData": opaque}),
    st.sampled_from([*FUZZED_MEDIA_TYPES, "application/vnd.fuzz.unknown"]),
    st.sampled_from(["skip", "nack"]) | values,
    values | st.dictionaries(st.sampled_from(["x-request-ttl", "x-request-published", "X-Request-TTL"]), values),
)
surrogates = st.text(st.characters(categories=["Cs", "Lu"]), min_size=1)
numerals = st.text("0123456789²٣-.eE", max_size=40)
received = st.fixed_dictionaries(
    {"Body": texts | wrapped | deep | twice | events | handled | surrogates},
    optional={
        "Attributes": st.dictionaries(
            st.sampled_from(
                ["ApproximateReceiveCount", "ApproximateFirstReceiveTimestamp", "MessageGroupId", "SequenceNumber"]
            ),
            numerals | st.text(),
        ),
        "MessageAttributes": st.dictionaries(
            st.sampled_from(["media_type", "dead_letter_redrives", "dead_letter_source", "a", "b"]) | st.text(),
            st.fixed_dictionaries({"DataType": st.just("String"), "StringValue": numerals | st.text()}),
            max_size=10,
        ),
    },
)


@pytest.fixture(scope="module")
def subject():
    subject = Subject()
    with silent():
        yield lambda: subject


@relaxed
@given(raws=st.lists(received, max_size=8))
def test_no_message_disturbs_its_neighbours(subject, raws):
    subject().handle(raws)


@pytest.mark.parametrize("text", ["9" * 30, "9" * 5000, "²", "-1", "1e9", "", "x"])
@pytest.mark.parametrize("name", ["ApproximateFirstReceiveTimestamp", "ApproximateReceiveCount"])
def test_a_queue_of_any_make_may_write_any_number(subject, name, text):
    subject().handle([{"Body": "{", "Attributes": {name: text}}])


conditions = st.recursive(
    values,
    lambda inner: st.dictionaries(
        st.sampled_from(
            ["prefix", "suffix", "anything-but", "numeric", "exists", "wildcard", "cidr", "equals-ignore-case", "$or"]
        ),
        inner
        | st.lists(inner, max_size=3)
        | st.sampled_from([[">", 0, "<", 1e400], ["=", "x"], "10.0.0.0/33", "*" * 99]),
        max_size=2,
    ),
    max_leaves=6,
)
policies = st.dictionaries(
    st.sampled_from(["a", "a.b", "$or", ""]), conditions | st.lists(conditions, max_size=4), max_size=3
)


@relaxed
@given(policy=policies.map(dumps) | st.text() | deep, node=values, nested=st.booleans())
def test_any_filter_policy_is_refused_or_judges(policy, node, nested):
    try:
        matcher = parse_policy(policy, nested)
    except PolicyError:
        return
    for message in (node, {"a": node}, {"a": {"b": node}}):
        assert matcher.matches(message) in (True, False)


class AnyAnswer(Thread):
    """An HTTP server that answers anything with the same bytes."""

    def __init__(self):
        super().__init__(daemon=True)
        self.content = b""
        self.server = create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.server.getsockname()[1]}"
        self.start()

    def run(self):
        with suppress(OSError):
            while True:
                connection, _ = self.server.accept()
                Thread(target=self.answer, args=(connection,), daemon=True).start()

    def answer(self, connection):
        with connection, suppress(OSError):
            while head := connection.recv(65536):
                length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
                body = head.partition(b"\r\n\r\n")[2]
                while len(body) < length:
                    body += connection.recv(65536)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(self.content) + self.content)


@pytest.fixture(scope="module")
def any_answer():
    server = AnyAnswer()
    yield server
    server.server.close()


@pytest.fixture(scope="module")
def clients():
    """Clients by their transport: one costs half a second."""
    made = {}
    yield made
    for client in made.values():
        client.close()


@pytest.fixture(params=["botocore", "auto"])
def any_client(request, any_answer, environment, clients):
    if request.param not in clients:
        clients[request.param] = make_client(
            "sqs",
            profile_name=None,
            region_name="us-east-1",
            endpoint_url=any_answer.url,
            connect_timeout=5,
            read_timeout=5,
            max_pool_connections=1,
            max_attempts=1,
            transport=request.param,
        )
    return clients[request.param]


NONSENSE = [
    b"<html>",
    b"{",
    b"null",
    b"[]",
    b"7",
    b'"x"',
    b"\xff\xfe",
    b'{"Messages": 7}',
    b'{"Messages": [7]}',
    b"[" * 9999,
]


@pytest.mark.parametrize("content", NONSENSE, ids=lambda content: content[:20])
def test_an_answer_that_makes_no_sense_ends_no_daemon(fuzzed_graph, any_answer, any_client, content):
    consumer = SQSConsumer(any_client, f"{any_answer.url}/0/queue", fuzzed_graph().sqs_envelope, NaiveBackoffPolicy())
    any_answer.content = b'{"Messages": []}'
    assert consumer.consume() == []

    any_answer.content = content

    # either nothing, or an error after which another attempt is made
    with suppress(ReceiveError):
        assert consumer.consume() == []
