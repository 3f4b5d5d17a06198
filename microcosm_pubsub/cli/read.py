"""
Receive messages by hand.
"""

from argparse import ArgumentParser, Namespace
from json import dumps
from typing import Any

from microcosm.api import create_object_graph, load_from_dict

from microcosm_pubsub.cli.flags import add_client_flags, find_broker_url
from microcosm_pubsub.envelope import CodecSQSEnvelope, find_media_type
from microcosm_pubsub.message import SQSMessage


class PrintSQSEnvelope(CodecSQSEnvelope):
    """Read messages as they were written, so that one without a schema here is seen before it is deleted."""

    def parse_media_type_and_content(self, message: Any) -> tuple[str | None, Any]:
        """Return the media type, and the message as it was written."""
        message["mediaType"] = find_media_type(message, None)
        return message["mediaType"], message


def add_flags(parser: ArgumentParser) -> None:
    """Add the flags of the command."""
    parser.add_argument("--queue-url", required=True, metavar="Q")
    parser.add_argument("--nack", action="store_true", help="leave them in the queue")
    parser.add_argument(
        "--nack-timeout",
        type=int,
        metavar="S",
        help="seconds until they are visible again, with --nack; 0 by default",
    )
    add_client_flags(parser)
    parser.set_defaults(call=main)


def main(args: Namespace) -> None:
    """
    Receive messages once, print each as a JSON line, and delete it, or leave it with `--nack`.

    A message that cannot be decoded is printed with the reason, and is always left.
    """
    config = {
        "pubsub_broker": {"url": find_broker_url(args)},
        "sqs_consumer": {
            "sqs_queue_url": args.queue_url,
            "profile_name": args.profile,
            "region_name": args.region,
            "endpoint_url": args.endpoint_url,
            "wait_seconds": 1,
        },
        "sqs_envelope": {"strategy_name": PrintSQSEnvelope.__name__},
    }
    graph = create_object_graph("pubsub", loader=load_from_dict(config))
    nack = args.nack or args.nack_timeout is not None
    for message in graph.sqs_consumer.consume():
        print(dumps(describe(message)), flush=True)
        if nack or message.error is not None:
            message.nack(args.nack_timeout or 0)
        else:
            message.ack()


def describe(message: SQSMessage) -> dict[str, Any]:
    """Return the text to print of a message."""
    description = {
        "message_id": message.message_id,
        "media_type": message.media_type,
        "topic_arn": message.topic_arn,
        "approximate_receive_count": message.approximate_receive_count,
        "content": message.content,
    }
    return description if message.error is None else {**description, "error": str(message.error)}
