"""
Producers of programs without a graph, and of coroutines.
"""

from asyncio import Event, create_task, run
from json import loads

import pytest

from microcosm_pubsub import Producer, TopicNotDefinedError, created, make_producer
from microcosm_pubsub.errors import MessageValidationError


URI = "https://x/1"


def test_three_lines():
    producer: Producer = make_producer("shop", topic_arn="arn:aws:sns:eu-west-1:123456789012:events", testing=True)

    assert producer.produce(created("order"), uri=URI)


def test_topics_by_media_type():
    producer = make_producer(topic_arns={created("order"): "orders"}, testing=True)

    producer.produce(created("order"), uri=URI)

    assert producer.sns_client.publish.call_args.kwargs["TopicArn"] == "orders"


def test_settings_from_the_environment(monkeypatch):
    monkeypatch.setenv("SHOP__SNS_TOPIC_ARNS__CREATED__ORDER", "orders")

    assert make_producer("shop", testing=True).choose_topic_arn(created("order")) == "orders"


def test_on_the_broker(tmp_path):
    producer = make_producer("shop", broker_url=f"sqlite:///{tmp_path}/pubsub.db")

    assert producer.produce(created("order"), uri=URI)


def test_without_a_topic(monkeypatch):
    monkeypatch.delenv("PUBSUB_BROKER_URL", raising=False)
    with pytest.raises(TopicNotDefinedError):
        make_producer("shop", sns_producer={"region_name": "eu-west-1"}).produce(created("order"), uri=URI)


def test_other_configuration():
    assert make_producer(testing=True, sns_producer={"skip": "true"}).produce(created("order"), uri=URI) is None


class TestAsync:
    def test_published(self):
        producer = make_producer(testing=True)

        assert run(producer.produce_async(created("order"), {"uri": URI}))
        assert loads(producer.sns_client.publish.call_args.kwargs["Message"])["uri"] == URI

    def test_the_loop_goes_on_meanwhile(self):
        producer = make_producer(testing=True)

        async def main():
            loop_went_on = Event()
            waiting = producer.sns_client.publish

            def publish(**kwargs):
                # This returns only if the loop can run meanwhile.
                loop.call_soon_threadsafe(loop_went_on.set)
                return {"MessageId": "1"}

            from asyncio import get_running_loop

            loop = get_running_loop()
            waiting.side_effect = publish
            task = create_task(producer.produce_async(created("order"), uri=URI))
            await loop_went_on.wait()
            return await task

        assert run(main()) == "1"

    def test_errors_are_those_of_produce(self):
        with pytest.raises(MessageValidationError):
            run(make_producer(testing=True).produce_async(created("order")))

    def test_opaque_data_of_the_coroutine_goes_with_it(self):
        producer = make_producer(testing=True)

        async def main():
            with producer.opaque.initialize(lambda: {"x-request-id": "7"}):
                await producer.produce_async(created("order"), uri=URI)

        run(main())
        body = loads(producer.sns_client.publish.call_args.kwargs["Message"])
        assert body["opaqueData"]["x-request-id"] == "7"
