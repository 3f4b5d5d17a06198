"""
Publish a message by hand.
"""

from argparse import ArgumentParser, Namespace

from microcosm.api import create_object_graph, load_from_dict

from microcosm_pubsub.cli.flags import add_client_flags, find_broker_url
from microcosm_pubsub.conventions import created
from microcosm_pubsub.graph import PubSubGraph


def add_flags(parser: ArgumentParser) -> None:
    """Add the flags of the command."""
    parser.add_argument("--topic-arn", required=True, metavar="A")
    parser.add_argument("--uri", required=True, metavar="U", help="where the resource is")
    parser.add_argument(
        "--media-type",
        required=True,
        metavar="M",
        help="a whole media type, or a resource's name, which means that it was created",
    )
    add_client_flags(parser)
    parser.set_defaults(call=main)


def main(args: Namespace) -> None:
    """Publish one message, and print its id."""
    media_type = args.media_type if args.media_type.startswith("application") else created(args.media_type)
    config = {
        "pubsub_broker": {"url": find_broker_url(args)},
        "sns_topic_arns": {"default": args.topic_arn},
        "sns_producer": {
            "profile_name": args.profile,
            "region_name": args.region,
            "endpoint_url": args.endpoint_url,
        },
    }
    graph: PubSubGraph = create_object_graph("pubsub", loader=load_from_dict(config))
    print(graph.sns_producer.produce(media_type, uri=args.uri))
