"""
Steps and layers on a message's way to its topic.
"""

from json import loads

import pytest

from microcosm_pubsub.conventions import created
from microcosm_pubsub.daemon import ConsumerDaemon
from microcosm_pubsub.errors import ConfigurationError, PublishError
from microcosm_pubsub.producer import ProduceResult, PublishOptions


URI = "https://example.com/1"


def sign(message):
    """A step sees all of a message, and may change all of it."""
    assert message.content == {"uri": URI}
    assert message.topic_arn == "topic"
    assert "x-request-published" in message.opaque_data
    assert message.message == ""
    message.opaque_data["signature"] = "s"
    message.message_attributes["tenant"] = {"DataType": "String", "StringValue": "t"}
    message.content["uri"] += "?signed"


def refuse_some(message):
    if "no" in message.content["uri"]:
        raise PublishError("not today")


class Publishes(ConsumerDaemon):
    name = "publishes"


@pytest.fixture
def make_producer():
    def make(**attributes):
        cls = type("Daemon", (Publishes,), {name: list(value) for name, value in attributes.items()})
        graph = cls.create_for_testing(
            loader=lambda metadata: {"sns_producer": {"mock_sns": True}, "sns_topic_arns": {"default": "topic"}}
        ).graph
        return graph.sns_producer

    return make


def test_a_step_changes_the_message(make_producer):
    producer = make_producer(publish_steps=[sign])

    producer.produce(created("order"), uri=URI)

    call = producer.sns_client.publish.call_args.kwargs
    body = loads(call["Message"])
    assert body["uri"] == f"{URI}?signed"
    assert body["opaqueData"]["signature"] == "s"
    assert call["MessageAttributes"]["tenant"]["StringValue"] == "t"


def test_what_a_step_raises_refuses_the_message_alone(make_producer):
    producer = make_producer(publish_steps=[refuse_some])

    results = producer.produce_batch(
        [{"media_type": created("order"), "uri": uri} for uri in ("https://x/1", "https://x/no", "https://x/2")]
    )

    assert [result.ok for result in results] == [True, False, True]
    with pytest.raises(PublishError, match="not today"):
        producer.produce(created("order"), uri="https://x/no")


def test_layers_stand_around_each_call(make_producer):
    seen = []

    def outer(call_next, messages):
        seen.append(("outer", len(messages)))
        return call_next(messages)

    def inner(call_next, messages):
        seen.append(("inner", len(messages)))
        return call_next(messages)

    producer = make_producer(publish_layers=[outer, inner])

    producer.produce(created("order"), uri=URI)
    producer.produce_batch([{"media_type": created("order"), "uri": URI} for _ in range(12)])

    assert seen == [(name, size) for size in (1, 10, 2) for name in ("outer", "inner")]


def test_a_layer_may_keep_messages_to_itself(make_producer):
    kept = []

    def keep(call_next, messages):
        kept.extend(messages)
        return [ProduceResult(message_id="kept") for _ in messages]

    producer = make_producer(publish_layers=[keep])

    assert producer.produce(created("order"), uri=URI) == "kept"
    assert [message.media_type for message in kept] == [created("order")]
    assert not producer.sns_client.publish.called


def test_a_layer_that_raises(make_producer):
    def fail(call_next, messages):
        if len(messages) == 1:
            raise OSError("of the layer")
        return call_next(messages)

    producer = make_producer(publish_layers=[fail])

    with pytest.raises(OSError, match="of the layer"):
        producer.produce(created("order"), uri=URI)
    results = producer.produce_batch([{"media_type": created("order"), "uri": URI} for _ in range(11)])
    assert [result.ok for result in results] == [True] * 10 + [False]


def test_a_name_that_is_not_bound_is_refused(make_producer):
    with pytest.raises(ConfigurationError, match=r"no_such_step.*correct the name"):
        make_producer(publish_steps=["no_such_step"])


class TestOptions:
    @pytest.fixture
    def producer(self, make_producer):
        producer = make_producer()
        producer.sns_topic_arns[created("fifo")] = "topic.fifo"
        return producer

    def test_of_a_fifo_topic(self, producer):
        options = PublishOptions(group="g", deduplication_id="d", attributes={"tenant": "t"})

        message = producer.create_message(created("fifo"), {}, uri=URI, options=options)

        assert (message.group_id, message.deduplication_id) == ("g", "d")
        assert message.message_attributes["tenant"] == {"DataType": "String", "StringValue": "t"}
        assert message.message_attributes["media_type"]["StringValue"] == created("fifo")
        assert "options" not in loads(message.message)

    def test_ids_of_a_message_stay_the_same_however_often_it_is_published(self, producer):
        message = producer.create_message(created("fifo"), {}, uri=URI)

        assert message.deduplication_id
        assert message.group_id == URI

    def test_a_group_of_a_standard_topic_is_sent(self, producer):
        message = producer.create_message(created("order"), {}, uri=URI, options=PublishOptions(group="tenant"))

        assert (message.group_id, message.deduplication_id) == ("tenant", None)

    @pytest.mark.parametrize(
        "values",
        [{"group": ""}, {"group": 1}, {"deduplication_id": b"x"}, {"attributes": {"a": 1}}, {"attributes": {"": "a"}}],
    )
    def test_what_cannot_work_is_refused(self, values):
        with pytest.raises(ConfigurationError, match="PublishOptions: "):
            PublishOptions(**values)
