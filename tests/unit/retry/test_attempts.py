"""
What was handed back without having been handled is no attempt.
"""

from marshmallow import fields

from microcosm_pubsub.codecs import PubSubMessageSchema
from microcosm_pubsub.message import SQSMessage


MEDIA_TYPE = "application/vnd.releases.parcel"


class ParcelSchema(PubSubMessageSchema):
    MEDIA_TYPE = MEDIA_TYPE

    number = fields.Integer(required=True)


def make(message_id, receives=1):
    return SQSMessage(None, {}, MEDIA_TYPE, message_id, "r", approximate_receive_count=receives)


def test_attempts():
    message = make("m", receives=5)
    message.releases = 3

    assert message.attempts == 2
    assert make("m", receives=None).attempts is None


def test_what_waits_behind_a_failing_message_is_not_given_up_with_it(make_graph, look_at):
    graph = make_graph(
        sqs_consumer={
            "sqs_queue_url": "queue.fifo",
            "dead_letter_queue_url": "dead.fifo",
            "message_retry_visibility_timeout_seconds": 0,
        },
        sqs_message_dispatcher={"message_max_processing_attempts": 3},
    )
    graph.pubsub_message_schema_registry.register(MEDIA_TYPE, ParcelSchema)
    queue = look_at(graph)
    queue.send(*({"mediaType": MEDIA_TYPE, "number": number} for number in range(3)), MessageGroupId="g")
    handled = []

    def handle(content):
        if content["number"] == 0:
            raise ValueError
        handled.append(content["number"])
        return True

    for _ in range(8):
        graph.sqs_message_dispatcher.handle_batch({MEDIA_TYPE: handle})

    assert handled == [1, 2]
    assert queue.bodies == []
    assert len(queue.engine.messages("dead.fifo")) == 1
