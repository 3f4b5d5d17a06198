"""
A dead-letter queue that fails for a moment costs a moment.
"""

import pytest
from botocore.exceptions import ClientError

from microcosm_pubsub.backoff import NaiveBackoffPolicy
from microcosm_pubsub.consumer import GivenUp, SQSConsumer
from microcosm_pubsub.dead_letters import Reason


DOWN = ClientError({"Error": {"Code": "ServiceUnavailable"}, "ResponseMetadata": {"HTTPStatusCode": 503}}, "Call")
DENIED = ClientError({"Error": {"Code": "AccessDenied"}, "ResponseMetadata": {"HTTPStatusCode": 403}}, "Call")

#: What an answer that something on the way made up does to a parser.
UNREADABLE = AttributeError("'list' object has no attribute 'get'")


class Failing:
    """A client, of which some methods fail."""

    def __init__(self, client, **failing):
        self.client = client
        self.failing = failing

    def __getattr__(self, name):
        if name not in self.failing:
            return getattr(self.client, name)

        def fail(**kwargs):
            raise self.failing[name]

        return fail


@pytest.mark.parametrize(
    ("failing", "seconds"),
    [
        ({"send_message_batch": DOWN}, 7),
        ({"send_message_batch": UNREADABLE}, 7),
        ({"get_queue_attributes": DOWN}, 7),
        ({"get_queue_attributes": UNREADABLE}, 7),
        # there is none, as far as we may know
        ({"get_queue_attributes": DENIED}, 7 * 2**3),
    ],
    ids=str,
)
def test_a_message_comes_again_before_long(box, graph, failing, seconds, caplog):
    consumer = SQSConsumer(
        Failing(box.client, **failing), box.source, graph.sqs_envelope, NaiveBackoffPolicy(7), wait_seconds=0
    )
    box.send("a", url=box.source)
    for _ in range(3):
        consumer.receive(1, visibility_timeout_seconds=0)
    (message,) = consumer.receive(1, visibility_timeout_seconds=60)
    assert message.approximate_receive_count == 4

    consumer.dead_letter_batch([GivenUp(message, Reason("FAILED"))])

    box.clock.advance(seconds - 1)
    assert consumer.receive(1) == []
    box.clock.advance(1)
    assert len(consumer.receive(1)) == 1
    told = f"Message {message.message_id} (unknown media type) is given up, and comes again, since {box.source} has no"
    assert (told in caplog.text) is (seconds > 7)
