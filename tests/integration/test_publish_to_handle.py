"""
From `produce` to a settled message, over HTTP, with engines that are not ours.
"""

from json import dumps, loads

import pytest
from marshmallow import fields
from microcosm.api import create_object_graph, load_from_dict

from microcosm_pubsub.codecs import PubSubMessageSchema
from microcosm_pubsub.conventions import created
from microcosm_pubsub.decorators import schema
from microcosm_pubsub.errors import Nack, QueueAccessError, ReceiveError
from microcosm_pubsub.producer import DeferredBatchProducer, DeferredProducer
from microcosm_pubsub.result import MessageHandlingResultType


SUCCEEDED, SKIPPED, IGNORED, RETRIED, FAILED = (
    MessageHandlingResultType[name] for name in ("SUCCEEDED", "SKIPPED", "IGNORED", "RETRIED", "FAILED")
)


@schema
class ParcelSchema(PubSubMessageSchema):
    MEDIA_TYPE = "application/vnd.integration.parcel"

    number = fields.Integer(required=True)


def make_graph(engine, queue_url, topic_arn="arn:aws:sns:us-east-1:000000000000:none", **config):
    endpoint = {"endpoint_url": engine.url}
    return create_object_graph(
        "integration",
        loader=load_from_dict(
            {
                "sqs_consumer": {"sqs_queue_url": queue_url, "wait_seconds": 0, **endpoint},
                "sns_producer": endpoint,
                "sns_topic_arns": {"default": topic_arn, "mappings": {created("batch_message"): topic_arn}},
                **config,
            }
        ),
    )


def handle_all(graph, handlers):
    """Handle messages until the queue gives none."""
    results = []
    while batch := graph.sqs_message_dispatcher.handle_batch(handlers):
        results.extend(batch)
    return results


@pytest.mark.parametrize("raw", [False, True], ids=["sns-wrapped", "raw-delivery"])
def test_what_is_produced_is_handled_and_gone(engine, raw):
    queue_url = engine.create_queue()
    graph = make_graph(engine, queue_url, engine.create_topic(queue_url, raw=raw))
    seen = []

    assert graph.sns_producer.produce(ParcelSchema.MEDIA_TYPE, number=7)
    results = handle_all(graph, {ParcelSchema.MEDIA_TYPE: lambda content: seen.append(content["number"]) or True})

    assert [result.result for result in results] == [SUCCEEDED]
    assert results[0].handle_start_time >= 0
    assert seen == [7]
    assert engine.depth(queue_url) == {"visible": 0, "hidden": 0}


def test_a_batch_tells_for_each_message_its_id_or_its_error(engine):
    queue_url = engine.create_queue()
    graph = make_graph(engine, queue_url, engine.create_topic(queue_url))
    messages = [{"media_type": ParcelSchema.MEDIA_TYPE, "number": number} for number in range(23)]
    messages[5] = {"media_type": ParcelSchema.MEDIA_TYPE, "number": "no number"}

    results = graph.sns_producer.produce_batch(messages)

    assert [index for index, result in enumerate(results) if not result.ok] == [5]
    assert len({result.message_id for result in results if result.ok}) == 22
    numbers = []
    handled = handle_all(graph, {ParcelSchema.MEDIA_TYPE: lambda content: numbers.append(content["number"]) or True})
    assert len(handled) == 22
    assert sorted(numbers) == [number for number in range(23) if number != 5]
    assert engine.depth(queue_url) == {"visible": 0, "hidden": 0}


def test_each_outcome_is_made_true_at_the_queue(engine):
    queue_url = engine.create_queue()
    graph = make_graph(engine, queue_url)

    def handle(content):
        match content["number"]:
            case 1:
                return True
            case 2:
                return False
            case 3:
                raise Nack(600)
            case 4:
                raise RuntimeError("broken")

    bodies = [{"mediaType": ParcelSchema.MEDIA_TYPE, "number": number} for number in (1, 2, 3, 4)]
    unknown = {"mediaType": "application/vnd.integration.unknown"}
    engine.send(queue_url, *bodies, unknown, "{not json", {"mediaType": ParcelSchema.MEDIA_TYPE})

    results = graph.sqs_message_dispatcher.handle_batch({ParcelSchema.MEDIA_TYPE: handle})
    results += handle_all(graph, {ParcelSchema.MEDIA_TYPE: handle})

    outcomes = [result.result for result in results]
    assert sorted(outcomes, key=str) == [FAILED, FAILED, FAILED, IGNORED, RETRIED, SKIPPED, SUCCEEDED]
    # what is to come again is hidden for a while: the Nack, the failure, and what could not be decoded
    assert engine.depth(queue_url) == {"visible": 0, "hidden": 4}


def test_a_nack_of_zero_seconds_is_visible_at_once(engine):
    queue_url = engine.create_queue()
    graph = make_graph(engine, queue_url)
    engine.send(queue_url, {"mediaType": ParcelSchema.MEDIA_TYPE, "number": 1})

    (message,) = graph.sqs_consumer.consume()
    message.nack(0)
    (message,) = graph.sqs_consumer.consume()

    assert message.approximate_receive_count == 2
    message.ack()
    message.ack()
    assert engine.depth(queue_url) == {"visible": 0, "hidden": 0}


def test_what_nobody_can_read_goes_to_the_dead_letter_queue_at_once(engine):
    dead_letters = engine.create_queue()
    policy = {"deadLetterTargetArn": engine.arn(dead_letters), "maxReceiveCount": "5"}
    queue_url = engine.create_queue(RedrivePolicy=dumps(policy))
    graph = make_graph(engine, queue_url)
    attributes = {"origin": {"DataType": "String", "StringValue": "elsewhere"}}
    engine.sqs.send_message(QueueUrl=queue_url, MessageBody="{not json", MessageAttributes=attributes)

    results = handle_all(graph, {})

    assert [result.result for result in results] == [FAILED]
    assert engine.depth(queue_url) == {"visible": 0, "hidden": 0}
    (message,) = engine.sqs.receive_message(QueueUrl=dead_letters, MessageAttributeNames=["All"])["Messages"]
    assert message["Body"] == "{not json"
    values = {name: value["StringValue"] for name, value in message["MessageAttributes"].items()}
    assert values["origin"] == "elsewhere"
    assert (values["dead_letter_outcome"], values["dead_letter_error"]) == ("FAILED", "DecodeError")
    assert values["dead_letter_source"] == engine.arn(queue_url)


def test_attempts_used_up_are_not_deleted(engine):
    queue_url = engine.create_queue()
    config = {"sqs_message_dispatcher": {"message_max_processing_attempts": "1"}}
    graph = make_graph(engine, queue_url, **config)
    engine.send(queue_url, {"mediaType": ParcelSchema.MEDIA_TYPE, "number": 1})
    calls = []

    def handle(content):
        calls.append(content)
        raise Nack(0)

    handlers = {ParcelSchema.MEDIA_TYPE: handle}
    outcomes = [graph.sqs_message_dispatcher.handle_batch(handlers)[0].result for _ in range(2)]

    # there is no dead-letter queue to take it, so that it comes back when its Nack says
    assert outcomes == [RETRIED, FAILED]
    assert len(calls) == 1
    assert engine.depth(queue_url) == {"visible": 0, "hidden": 1}


def test_deferred_messages_are_published_at_a_clean_end(engine):
    queue_url = engine.create_queue()
    graph = make_graph(engine, queue_url, engine.create_topic(queue_url))

    with DeferredProducer(graph.sns_producer) as producer:
        for number in range(12):
            assert producer.produce(ParcelSchema.MEDIA_TYPE, number=number) is None
        assert engine.depth(queue_url)["visible"] == 0
    assert engine.depth(queue_url)["visible"] == 12

    def produce_and_fail():
        with DeferredProducer(graph.sns_producer) as producer:
            producer.produce(ParcelSchema.MEDIA_TYPE, number=99)
            raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        produce_and_fail()
    assert engine.depth(queue_url)["visible"] == 12


def test_a_batch_message_is_unpacked_by_its_handler(engine):
    queue_url = engine.create_queue()
    graph = make_graph(engine, queue_url, engine.create_topic(queue_url))

    with DeferredBatchProducer(graph.sns_producer) as producer:
        for number in range(5):
            producer.produce(ParcelSchema.MEDIA_TYPE, number=number)
    assert engine.depth(queue_url)["visible"] == 1

    numbers = []
    handlers = {
        created("batch_message"): graph.publish_message_batch,
        ParcelSchema.MEDIA_TYPE: lambda content: numbers.append(content["number"]) or True,
    }
    results = handle_all(graph, handlers)

    assert [result.result for result in results] == [SUCCEEDED] * 6
    assert sorted(numbers) == [0, 1, 2, 3, 4]


def test_context_goes_on_with_what_a_handler_produces(engine):
    queue_url, next_url = engine.create_queue(), engine.create_queue()
    graph = make_graph(engine, queue_url, engine.create_topic(next_url))
    opaque = {"x-request-id": "r-1", "x-request-ttl": "5"}
    engine.send(queue_url, {"mediaType": ParcelSchema.MEDIA_TYPE, "number": 1, "opaqueData": opaque})

    def handle(content):
        return graph.sns_producer.produce(ParcelSchema.MEDIA_TYPE, number=content["number"] + 1)

    assert [result.result for result in handle_all(graph, {ParcelSchema.MEDIA_TYPE: handle})] == [SUCCEEDED]

    (raw,) = engine.sqs.receive_message(QueueUrl=next_url)["Messages"]
    opaque = loads(loads(raw["Body"])["Message"])["opaqueData"]
    assert opaque["x-request-id"] == "r-1"
    assert opaque["x-request-ttl"] == "4"


def test_after_a_failure_the_rest_of_its_group_is_released_in_order(ministack):
    queue_url = ministack.create_queue(fifo=True)
    graph = make_graph(ministack, queue_url)
    for number in range(4):
        body = {"mediaType": ParcelSchema.MEDIA_TYPE, "number": number}
        ministack.send(queue_url, body, MessageGroupId="a")
    ministack.send(queue_url, {"mediaType": ParcelSchema.MEDIA_TYPE, "number": 10}, MessageGroupId="b")
    numbers = []

    def handle(content):
        numbers.append(content["number"])
        if numbers.count(1) == 1 and content["number"] == 1:
            raise Nack(0)
        return True

    handlers = {ParcelSchema.MEDIA_TYPE: handle}
    results = handle_all(graph, handlers)

    assert [number for number in numbers if number < 10] == [0, 1, 1, 2, 3]
    assert 10 in numbers
    assert ministack.depth(queue_url) == {"visible": 0, "hidden": 0}
    assert RETRIED in {result.result for result in results}


def test_a_missing_queue_is_a_lasting_error_that_says_what_to_do(engine):
    graph = make_graph(engine, f"{engine.url}/000000000000/missing")

    with pytest.raises(QueueAccessError, match=r"missing.*create the queue"):
        graph.sqs_consumer.consume()


def test_an_endpoint_that_does_not_answer_is_a_passing_error():
    graph = create_object_graph(
        "integration",
        loader=load_from_dict(
            sqs_consumer={"sqs_queue_url": "http://127.0.0.1:9/000000000000/queue"},
            sqs_client={"max_attempts": "1"},
        ),
    )

    with pytest.raises(ReceiveError) as raised:
        graph.sqs_consumer.consume()
    assert not isinstance(raised.value, QueueAccessError)


def test_a_queue_name_is_looked_up(engine):
    queue_url = engine.create_queue()
    graph = make_graph(engine, queue_url.rsplit("/", 1)[1])

    assert graph.sqs_consumer.sqs_queue_url == queue_url

    graph = make_graph(engine, "no-such-queue")
    with pytest.raises(QueueAccessError, match="no-such-queue"):
        _ = graph.sqs_consumer


def test_calls_are_few(engine):
    queue_url = engine.create_queue()
    graph = make_graph(engine, queue_url)
    engine.send(queue_url, *({"mediaType": ParcelSchema.MEDIA_TYPE, "number": number} for number in range(10)))
    calls = []
    graph.sqs_client.meta.events.register("before-call.sqs", lambda model, **kwargs: calls.append(model.name))

    results = []
    while len(results) < 10:
        results += graph.sqs_message_dispatcher.handle_batch({ParcelSchema.MEDIA_TYPE: lambda content: True})

    assert len(results) == 10
    # an engine may give ten messages in more than one receive
    assert calls.count("DeleteMessageBatch") + calls.count("DeleteMessage") == calls.count("ReceiveMessage")
    assert "microcosm_pubsub/" in graph.sqs_client.meta.config.user_agent_extra
