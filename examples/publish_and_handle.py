"""
Declare a message, publish it and handle it, in one file.

The daemon runs on the embedded broker, here on a SQLite file: it makes its queue, and subscribes it to what it
handles. In AWS the same daemon runs with `--sqs-queue-url`.
"""

from os import environ
from tempfile import TemporaryDirectory
from typing import Any

from marshmallow import fields

from microcosm_pubsub import ConsumerDaemon, PubSubMessageSchema, handles, schema


@schema
class GreetingSchema(PubSubMessageSchema):
    MEDIA_TYPE = "application/vnd.example.pubsub.greeting"

    name = fields.String(required=True)


@handles(GreetingSchema)
def greet(message: dict[str, Any]) -> bool:
    print(f"Hello, {message['name']}!")
    return True


class GreetingDaemon(ConsumerDaemon):
    name = "greeting"
    defaults = {"logging": {"level": "CRITICAL"}}


if __name__ == "__main__":
    with TemporaryDirectory() as directory:
        environ["PUBSUB_BROKER_URL"] = f"sqlite:///{directory}/pubsub.db"
        daemon = GreetingDaemon()
        daemon.initialize()
        graph = daemon.graph
        graph.sns_producer.produce(GreetingSchema.MEDIA_TYPE, name="world")
        # `GreetingDaemon().run()` does this again and again
        for result in graph.sqs_message_dispatcher.handle_batch(daemon.bound_handlers):
            print(result.outcome, result.media_type)
        counts = [f"ApproximateNumberOfMessages{kind}" for kind in ("", "NotVisible", "Delayed")]
        left = graph.sqs_client.get_queue_attributes(QueueUrl="greeting", AttributeNames=counts)["Attributes"]
        print("left in the queue:", sum(map(int, left.values())))
