"""
One file with one schema, one plain function and one daemon that only sets its name.
"""

from marshmallow import fields
from microcosm.api import load_from_dict

from microcosm_pubsub.codecs import PubSubMessageSchema
from microcosm_pubsub.daemon import ConsumerDaemon
from microcosm_pubsub.decorators import handles, schema


HANDLED = []


@schema
class GreetingSchema(PubSubMessageSchema):
    MEDIA_TYPE = "application/vnd.one_file.greeting"

    text = fields.String(required=True)


@handles(GreetingSchema)
def greet(message):
    HANDLED.append(message["text"])
    return True


class GreetingDaemon(ConsumerDaemon):
    name = "greeting"


def test_what_is_produced_is_handled():
    HANDLED.clear()
    daemon = GreetingDaemon.create_for_testing(loader=load_from_dict(sns_producer={"mock_sns": True}))
    assert daemon.bound_handlers[GreetingSchema.MEDIA_TYPE] is greet

    for text in ("one", "two"):
        daemon.graph.sns_producer.produce(GreetingSchema.MEDIA_TYPE, text=text)
    daemon(daemon.graph)

    assert HANDLED == ["one", "two"]
    assert daemon.graph.pubsub_testing.engine.messages("queue") == []
