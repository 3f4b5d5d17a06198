"""
Print a message for a daemon that reads stdin.

    publish-naive --action created --resource-name order --uri URI | python daemon.py --stdin
"""

from argparse import ArgumentParser
from collections.abc import Sequence
from json import dumps

from microcosm_pubsub.conventions import make_media_type


def main(argv: Sequence[str] | None = None) -> None:
    """Print one message as a JSON line."""
    parser = ArgumentParser(prog="publish-naive", description="Print a message for a daemon's --stdin.")
    parser.add_argument("--action", choices=["created", "changed"], required=True)
    parser.add_argument("--resource-name", required=True, metavar="R", help="such as order")
    parser.add_argument("--uri", required=True, metavar="U", help="where the resource is")
    args = parser.parse_args(argv)
    print(dumps({"mediaType": make_media_type(args.resource_name, args.action), "uri": args.uri}))
