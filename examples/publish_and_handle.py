"""
Declare a message, publish it and handle it, in one file.

A testing graph has SNS and SQS in memory; in production the same daemon runs with `--sqs-queue-url`.
"""

from marshmallow import fields
from microcosm.api import load_from_dict

from microcosm_pubsub.codecs import PubSubMessageSchema
from microcosm_pubsub.daemon import ConsumerDaemon
from microcosm_pubsub.decorators import handles, schema


@schema
class GreetingSchema(PubSubMessageSchema):
    MEDIA_TYPE = "application/vnd.example.pubsub.greeting"

    name = fields.String(required=True)


@handles(GreetingSchema)
def greet(message):
    print(f"Hello, {message['name']}!")
    return True


class GreetingDaemon(ConsumerDaemon):
    name = "greeting"


# mock_sns leaves the producer real, and replaces its SNS client alone
LOADER = load_from_dict(sns_producer={"mock_sns": True}, logging={"level": "CRITICAL"})


if __name__ == "__main__":
    daemon = GreetingDaemon.create_for_testing(loader=LOADER)
    graph = daemon.graph
    graph.sns_producer.produce(GreetingSchema.MEDIA_TYPE, name="world")
    for result in graph.sqs_message_dispatcher.handle_batch(daemon.bound_handlers):
        print(result.result, result.media_type)
    print("left in the queue:", len(graph.pubsub_testing.engine.messages(graph.sqs_consumer.sqs_queue_url)))
