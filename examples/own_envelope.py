"""
Read bodies that are not ours, such as the notifications that S3 sends to a queue.

An envelope says of a raw message what its media type and its content are, in two parts: how the body holds a message,
and what that says. It is chosen by its class name,
in config `sqs_envelope.strategy_name` or with `--envelope`.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
"""

from json import dumps
from os import environ
from tempfile import TemporaryDirectory
from typing import Any

from microcosm_pubsub import ConsumerDaemon, created, deleted, handles
from microcosm_pubsub.envelope import RawMessageBodyParser, SQSEnvelope
from microcosm_pubsub.errors import DecodeError


class S3Envelope(RawMessageBodyParser, SQSEnvelope):
    def parse_media_type_and_content(self, message: Any) -> tuple[str, Any]:
        try:
            [record] = message["Records"]
            make_media_type = created if record["eventName"].startswith("ObjectCreated") else deleted
            uri = f"s3://{record['s3']['bucket']['name']}/{record['s3']['object']['key']}"
        except (KeyError, TypeError, ValueError) as error:
            raise DecodeError("The body is not a notification of S3") from error
        return make_media_type("s3_object"), {"uri": uri}


@handles(created("s3_object"))
def object_created(message: dict[str, Any]) -> bool:
    print("new:", message["uri"])
    return True


class UploadsDaemon(ConsumerDaemon):
    name = "uploads"
    defaults = {"sqs_envelope": {"strategy_name": "S3Envelope"}, "logging": {"level": "CRITICAL"}}


if __name__ == "__main__":
    with TemporaryDirectory() as directory:
        environ["PUBSUB_BROKER_URL"] = f"sqlite:///{directory}/pubsub.db"
        daemon = UploadsDaemon()
        daemon.initialize()
        s3 = {"bucket": {"name": "uploads"}, "object": {"key": "cat.png"}}
        notification = {"Records": [{"eventName": "ObjectCreated:Put", "s3": s3}]}
        for body in (dumps(notification), '{"Event": "s3:TestEvent"}'):
            daemon.graph.sqs_client.send_message(QueueUrl="uploads", MessageBody=body)
        for result in daemon.graph.sqs_message_dispatcher.handle_batch(daemon.bound_handlers):
            print(result.outcome, result.media_type)
