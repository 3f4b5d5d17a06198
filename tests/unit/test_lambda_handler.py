"""
Run a daemon's handlers on AWS Lambda.
"""

from json import dumps
from threading import Barrier, Thread

import pytest
from marshmallow import fields
from microcosm.api import binding

from microcosm_pubsub.codecs import PubSubMessageSchema
from microcosm_pubsub.daemon import ConsumerDaemon
from microcosm_pubsub.decorators import handles, schema
from microcosm_pubsub.errors import ConfigurationError, HandlerError, Nack
from microcosm_pubsub.lambda_handler import LambdaHandler


MEDIA_TYPE = "application/vnd.lambda.parcel"
SEEN = []
BUILT = []


@schema
class LambdaParcelSchema(PubSubMessageSchema):
    MEDIA_TYPE = MEDIA_TYPE

    number = fields.Integer(required=True)


@binding("lambda_test_handler")
@handles(LambdaParcelSchema)
class LambdaTestHandler:
    def __init__(self, graph):
        BUILT.append(graph)

    def __call__(self, message):
        SEEN.append(message["number"])
        match message["number"]:
            case 13:
                raise RuntimeError("broken")
            case 14:
                raise Nack(0)
        return message["number"] != 15


class LambdaTestDaemon(ConsumerDaemon):
    name = "lambda_test"

    @property
    def components(self):
        return [*super().components, "lambda_test_handler"]


def record(number, message_id=None, **more):
    body = number if isinstance(number, str) else dumps({"mediaType": MEDIA_TYPE, "number": number})
    message_id = message_id or f"m{number}"
    return {
        "messageId": message_id,
        "receiptHandle": f"r-{message_id}",
        "body": body,
        "attributes": {"ApproximateReceiveCount": "1", "MessageGroupId": "g"},
        "messageAttributes": {},
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:orders",
        **more,
    }


def fifo(number, group, **more):
    attributes = {"ApproximateReceiveCount": "1", "MessageGroupId": group, **more}
    return record(number, attributes=attributes, eventSourceARN="arn:aws:sqs:us-east-1:1:orders.fifo")


def failures(*message_ids):
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in message_ids]}


@pytest.fixture
def handler():
    SEEN.clear()
    BUILT.clear()
    return LambdaTestDaemon.create_for_testing().make_lambda_handler()


def test_every_record_is_handled(handler):
    assert handler({"Records": [record(number) for number in (1, 2, 3)]}, None) == failures()

    assert SEEN == [1, 2, 3]


def test_what_is_to_come_again_is_named(handler):
    records = [record(number) for number in (1, 13, 14, 15)]
    records.insert(1, record("{not json", "undecodable"))
    records.append(record('{"mediaType": "application/vnd.lambda.unknown"}', "unknown"))

    assert handler({"Records": records}) == failures("undecodable", "m13", "m14")

    assert SEEN == [1, 13, 14, 15]


@pytest.mark.parametrize("numbered", [{}, {"SequenceNumber": "1"}])
def test_after_a_failure_the_rest_of_its_group_comes_again(handler, numbered):
    records = [fifo(number, group, **numbered) for number, group in ((1, "a"), (13, "a"), (2, "a"), (3, "b"))]

    assert handler({"Records": records}) == failures("m13", "m2")

    assert SEEN == [1, 13, 3]


def test_groups_of_a_fair_queue_have_no_order(handler):
    assert handler({"Records": [record(13), record(2)]}) == failures("m13")


def test_no_records(handler):
    assert handler({"Records": []}) == failures()


def test_warming_up(handler):
    assert handler({"warm": True}, None) == "warming up"
    assert len(BUILT) == 1


def notification(number, source="aws:sns", **more):
    message = {"mediaType": MEDIA_TYPE, "number": number}
    sns = {"MessageId": f"n{number}", "TopicArn": "arn:aws:sns:us-east-1:1:parcels", "Message": dumps(message), **more}
    return {"EventSource": source, "EventVersion": "1.0", "Sns": sns}


class TestTopics:
    def test_every_record_is_handled(self, handler):
        assert handler({"Records": [notification(1), notification(15)]}) is None

        assert SEEN == [1, 15]

    @pytest.mark.parametrize("broken", [notification(13), notification(14), notification(1, Message="{not json")])
    def test_what_is_to_come_again_is_raised(self, handler, broken):
        with pytest.raises(HandlerError, match="1 of 2 messages of the topic were not handled, the first is n1"):
            handler({"Records": [broken, notification(2)]})

        assert SEEN[-1] == 2

    def test_media_types_of_attributes(self, handler):
        attributes = {"media_type": {"Type": "String", "Value": MEDIA_TYPE}}

        handler({"Records": [notification(1, Message='{"number": 1}', MessageAttributes=attributes)]})

        assert SEEN == [1]

    @pytest.mark.parametrize(
        "records",
        [[notification(1), record(2)], [notification(1, source="aws:s3")], [record(1, eventSource="aws:kinesis")]],
    )
    def test_records_of_others_are_refused(self, handler, records):
        with pytest.raises(ConfigurationError, match="subscribe it to a topic"):
            handler({"Records": records})

        assert SEEN == []


class Context:
    """Lambda's context: each look at the time costs some."""

    def __init__(self, *milliseconds):
        self.milliseconds = list(milliseconds)

    def get_remaining_time_in_millis(self):
        return self.milliseconds.pop(0)


def test_records_that_there_is_no_time_for_come_again(handler):
    records = [record(number) for number in (1, 2, 3)]

    assert handler({"Records": records}, Context(60_000, 999, 998)) == failures("m2", "m3")

    assert SEEN == [1]


@pytest.mark.parametrize(
    "event", [None, [], "x", {}, {"Records": None}, {"Records": {}}, {"Records": ["x"]}, {"source": "aws.events"}]
)
def test_what_is_no_event_of_a_queue(handler, event):
    with pytest.raises(ConfigurationError, match="event source mapping"):
        handler(event)


def test_a_record_that_lacks_everything_is_not_done(handler):
    assert handler({"Records": [{}, record(1)]}) in (failures(None), failures(""))
    assert handler({"Records": [{"Body": "x"}]}) in (failures(None), failures(""))


def test_the_graph_is_made_once_and_at_the_first_event(monkeypatch):
    BUILT.clear()
    handler = LambdaTestDaemon.make_lambda_handler()
    assert BUILT == []
    barrier = Barrier(4)

    def call():
        barrier.wait()
        handler({"Records": [record(1)]})

    threads = [Thread(target=call) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert handler({"Records": [record(1)]}) == failures()
    assert len(BUILT) == 1
    assert BUILT[0].metadata.testing is False


def test_a_daemon_without_its_graph_makes_one():
    BUILT.clear()

    assert LambdaTestDaemon(event={}).make_lambda_handler()({"Records": [record(1)]}) == failures()

    assert len(BUILT) == 1


def test_a_graph_that_cannot_be_made_is_tried_again():
    attempts = []

    def prepare():
        attempts.append(1)
        raise ConfigurationError("no")

    handler = LambdaHandler(prepare)
    for _ in range(2):
        with pytest.raises(ConfigurationError):
            handler({"warm": True})

    assert len(attempts) == 2
