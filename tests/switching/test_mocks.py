"""
Tests of services of version 3, which put mocks in the places of handlers, messages, consumers and graphs.
"""

from json import dumps
from logging import ERROR, LoggerAdapter, getLogger
from unittest.mock import MagicMock, Mock, patch

import pytest
from botocore.exceptions import ClientError
from marshmallow import fields
from microcosm.api import create_object_graph, load_from_dict

from microcosm_pubsub.codecs import PubSubMessageSchema
from microcosm_pubsub.conventions import created
from microcosm_pubsub.daemon import ConsumerDaemon
from microcosm_pubsub.decorators import schema
from microcosm_pubsub.envelope import NaiveSQSEnvelope, SQSEnvelope
from microcosm_pubsub.errors import Nack
from microcosm_pubsub.handlers import PublishBatchMessage, URIHandler
from microcosm_pubsub.message import SQSMessage
from microcosm_pubsub.producer import DeferredProducer
from microcosm_pubsub.reader import SQSFileReader, SQSStdInReader
from microcosm_pubsub.result import MessageHandlingResult, MessageHandlingResultType


MEDIA_TYPE = "application/vnd.switching.mocked"


@schema
class MockedSchema(PubSubMessageSchema):
    MEDIA_TYPE = MEDIA_TYPE

    number = fields.Integer(required=True)


class WholeEnvelope(SQSEnvelope):
    """Overrides the one method that version 3 names."""

    def parse_raw_message(self, consumer, raw_message):
        return SQSMessage(
            consumer=consumer,
            content={"text": raw_message["Body"]},
            media_type=MEDIA_TYPE,
            message_id=raw_message["MessageId"],
            receipt_handle=raw_message["ReceiptHandle"],
        )


def make_graph(**config):
    return create_object_graph("example", testing=True, loader=load_from_dict(config))


@pytest.fixture
def graph():
    return make_graph()


def make_message(consumer):
    return SQSMessage(consumer, {"number": 1}, MEDIA_TYPE, "m", "r")


class TestHandlers:
    def test_a_mock_is_one(self, graph):
        handler = Mock(return_value=True)
        message = make_message(graph.sqs_consumer)

        result = graph.sqs_message_dispatcher.handle_message(message, {MEDIA_TYPE: handler})

        handler.assert_called_once_with({"number": 1})
        assert result.result.name == "SUCCEEDED"
        graph.sqs_consumer.sqs_client.delete_message.assert_called_once_with(QueueUrl="queue", ReceiptHandle="r")

    def test_a_mock_may_be_registered(self, graph):
        registry = graph.sqs_message_handler_registry
        handler = Mock()
        registry.register(created("mocked"), handler)

        assert handler in list(registry.iter_handlers())
        assert list(registry.iter_options())

    def test_a_batch(self, graph):
        client = graph.sqs_consumer.sqs_client
        client.receive_message.return_value = {
            "Messages": [
                {
                    "MessageId": f"m{number}",
                    "ReceiptHandle": f"r{number}",
                    "Body": dumps({"Message": dumps({"mediaType": MEDIA_TYPE, "number": number})}),
                }
                for number in range(3)
            ]
        }
        handler = Mock(side_effect=[True, Nack(7), True])

        graph.sqs_message_dispatcher.handle_batch({MEDIA_TYPE: handler})

        deleted = [call.kwargs["ReceiptHandle"] for call in client.delete_message.call_args_list]
        assert deleted == ["r0", "r2"]
        client.change_message_visibility.assert_called_once_with(
            QueueUrl="queue", ReceiptHandle="r1", VisibilityTimeout=7
        )


class TestConsumers:
    def test_a_message_is_settled_by_its_own(self, graph):
        acked, nacked = make_message(Mock()), make_message(Mock())

        graph.sqs_message_dispatcher.handle_message(acked, {MEDIA_TYPE: Mock(return_value=True)})
        graph.sqs_message_dispatcher.handle_message(nacked, {MEDIA_TYPE: Mock(side_effect=Nack(3))})

        acked.consumer.ack.assert_called_once_with(acked)
        nacked.consumer.nack.assert_called_once_with(nacked, 3)

    def test_a_message_that_is_given_up_stays(self):
        graph = make_graph(sqs_message_dispatcher={"message_max_processing_attempts": 1})
        message = make_message(Mock())
        message.approximate_receive_count = 2

        graph.sqs_message_dispatcher.handle_message(message, {MEDIA_TYPE: Mock()})

        message.consumer.nack.assert_called_once_with(message, None)

    @pytest.mark.parametrize(("outcome", "method", "args"), [(True, "ack", ()), (Nack(3), "nack", (3,))])
    def test_a_method_of_the_message_is_replaced(self, graph, outcome, method, args):
        message = make_message(graph.sqs_consumer)

        with patch.object(message, method) as replaced:
            graph.sqs_message_dispatcher.handle_message(message, {MEDIA_TYPE: Mock(side_effect=[outcome])})

        replaced.assert_called_once_with(*args)

    def test_a_message_is_a_mock(self, graph):
        consumer = graph.sqs_consumer

        consumer.ack(Mock(receipt_handle="r"))
        consumer.nack(Mock(receipt_handle="s"), 4)

        consumer.sqs_client.delete_message.assert_called_once_with(QueueUrl="queue", ReceiptHandle="r")
        consumer.sqs_client.change_message_visibility.assert_called_once_with(
            QueueUrl="queue", ReceiptHandle="s", VisibilityTimeout=4
        )

    @pytest.mark.parametrize("spec", [None, SQSMessage])
    @pytest.mark.parametrize(("outcome", "method", "args"), [(True, "ack", ()), (Nack(3), "nack", (3,))])
    def test_a_mock_is_handled(self, graph, spec, outcome, method, args):
        message = Mock(spec=spec, content={"number": 1}, media_type=MEDIA_TYPE, opaque_data={"x-request-id": "1"})
        seen = []

        def handle(content):
            seen.append((content, graph.opaque["x-request-id"]))
            if isinstance(outcome, Exception):
                raise outcome
            return outcome

        graph.sqs_message_dispatcher.handle_message(message, {MEDIA_TYPE: handle})

        assert seen == [({"number": 1}, "1")]
        getattr(message, method).assert_called_once_with(*args)

    def test_mocks_are_received(self, graph):
        messages = [Mock(content={"number": number}, media_type=MEDIA_TYPE, opaque_data={}) for number in range(3)]

        with patch.object(graph.sqs_consumer, "consume", return_value=messages):
            results = graph.sqs_message_dispatcher.handle_batch({MEDIA_TYPE: Mock(side_effect=[True, Nack(3), False])})

        assert [result.result.name for result in results] == ["SUCCEEDED", "RETRIED", "SKIPPED"]
        assert [message.ack.called for message in messages] == [True, False, True]
        messages[1].nack.assert_called_once_with(3)


class TestClients:
    def test_of_topics(self):
        producer = make_graph().sns_producer

        with patch.object(producer, "sns_client") as client, DeferredProducer(producer) as block:
            client.publish.return_value = {"MessageId": "1"}
            for number in range(2):
                block.produce(MEDIA_TYPE, number=number)

        assert client.publish.call_count == 2

    def test_of_topics_that_fail(self):
        producer = make_graph().sns_producer
        producer.sns_client = Mock()
        producer.sns_client.publish.side_effect = [
            {"MessageId": "1"},
            ClientError({"Error": {"Code": "Throttled"}}, "Publish"),
        ]

        first, second = producer.produce_batch([{"media_type": MEDIA_TYPE, "number": 1}] * 2)

        assert (first.message_id, second.ok) == ("1", False)

    @pytest.mark.parametrize(("outcome", "method"), [(True, "delete_message"), (Nack(3), "change_message_visibility")])
    @pytest.mark.parametrize("make", [Mock, MagicMock])
    def test_of_queues(self, graph, outcome, method, make):
        consumer = graph.sqs_consumer
        messages = [make_message(consumer) for _ in range(3)]

        client = make()
        with patch.object(consumer, "sqs_client", client), patch.object(consumer, "consume", return_value=messages):
            graph.sqs_message_dispatcher.handle_batch({MEDIA_TYPE: Mock(side_effect=[outcome] * 3)})

        assert getattr(client, method).call_count == 3
        assert all(message.settled for message in messages)


class TestResults:
    def test_of_a_mock(self):
        message = Mock(content={"number": 1}, media_type=MEDIA_TYPE, opaque_data={})

        result = MessageHandlingResult.invoke(Mock(side_effect=KeyError("number")), message).resolve(message)

        assert (result.media_type, result.result.name, result.extra) == (MEDIA_TYPE, "FAILED", {})
        message.nack.assert_called_once_with(None)

    def test_a_logger_is_a_mock(self):
        logger = Mock()

        MessageHandlingResult(MEDIA_TYPE, MessageHandlingResultType.FAILED).log(logger, {"message_id": "m"})

        assert logger.log.call_args.args[0] == ERROR
        assert logger.log.call_args.kwargs["extra"] == {
            "message_id": "m",
            "media_type": MEDIA_TYPE,
            "result": "FAILED",
        }

    def test_a_logger_is_an_adapter(self, caplog):
        logger = LoggerAdapter(getLogger("switching"), {})

        MessageHandlingResult(MEDIA_TYPE, MessageHandlingResultType.FAILED).log(logger, {"message_id": "m"})

        assert caplog.messages == [f"FAILED: {MEDIA_TYPE} (message m)"]


def test_messages_of_a_batch_are_published_by_a_mock():
    handler = PublishBatchMessage(Mock())
    item = {"media_type": MEDIA_TYPE, "message": "{}", "message_attributes": {}, "topic_arn": "topic"}

    assert handler({"messages": [item, item]})

    assert handler.sns_producer.publish_message.call_count == 2


class TestEnvelopes:
    def test_one_method_is_enough(self):
        graph = make_graph(sqs_envelope={"strategy_name": "WholeEnvelope"})
        graph.sqs_consumer.sqs_client.receive_message.return_value = {
            "Messages": [{"MessageId": "m", "ReceiptHandle": "r", "Body": "hello"}]
        }

        (message,) = graph.sqs_consumer.consume()

        assert message.content == {"text": "hello"}


class TestReaders:
    @pytest.fixture
    def path(self, tmp_path):
        path = tmp_path / "messages.jsonl"
        path.write_text(dumps({"mediaType": MEDIA_TYPE, "number": 3}))
        return str(path)

    def test_a_testing_graph_reads_a_file(self, path):
        graph = make_graph(
            sqs_consumer={"sqs_queue_url": path}, sqs_envelope={"strategy_name": NaiveSQSEnvelope.__name__}
        )

        (message,) = graph.sqs_consumer.consume()

        assert isinstance(graph.sqs_consumer.sqs_client, SQSFileReader)
        assert message.content == {"mediaType": MEDIA_TYPE, "number": 3}

    def test_a_testing_graph_reads_stdin(self):
        graph = make_graph(sqs_consumer={"sqs_queue_url": "STDIN"})

        assert isinstance(graph.sqs_consumer.sqs_client, SQSStdInReader)

    @pytest.mark.parametrize("name", ["messages", "no-such-file.jsonl"])
    def test_any_other_name_is_that_of_a_queue(self, tmp_path, monkeypatch, name):
        monkeypatch.chdir(tmp_path)
        (tmp_path / "messages").write_text("")
        graph = make_graph(sqs_consumer={"sqs_queue_url": name})

        assert graph.sqs_consumer.consume() == []
        assert graph.sqs_consumer.sqs_client.receive_message.call_count == 1

    def test_a_daemon_under_test_takes_flags(self):
        class ReadingDaemon(ConsumerDaemon):
            name = "reading"

        daemon = ReadingDaemon.create_for_testing(stdin=True)

        assert isinstance(daemon.graph.sqs_consumer.sqs_client, SQSStdInReader)
        assert isinstance(daemon.graph.sqs_envelope, NaiveSQSEnvelope)


def test_a_uri_handler_takes_a_mock_for_its_graph():
    handler = URIHandler(Mock())

    with patch("microcosm_pubsub.handlers.uri_handler.get") as get:
        get.return_value = Mock(status_code=200, json=lambda: {"id": "1"})
        assert handler({"uri": "https://example.com/1", "mediaType": created("thing")}) is True
