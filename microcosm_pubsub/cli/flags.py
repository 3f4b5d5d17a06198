"""
Flags that several commands share.
"""

from argparse import ArgumentParser, Namespace
from os import environ
from pathlib import Path

from microcosm_pubsub.broker.factory import URL_VARIABLE
from microcosm_pubsub.errors import ConfigurationError


def add_client_flags(parser: ArgumentParser) -> None:
    """Add the flags of commands that call AWS, or the broker in its place."""
    parser.add_argument(
        "--broker-url", metavar="URL", help="the embedded broker's database, such as sqlite:///pubsub.db"
    )
    parser.add_argument("--profile", metavar="P", help="a profile of ~/.aws/config")
    parser.add_argument("--region", metavar="R")
    parser.add_argument("--endpoint-url", metavar="E", help="an engine other than AWS")
    parser.add_argument("--debug", action="store_true", help="log what is called")


def find_broker_url(args: Namespace) -> str | None:
    """
    Return the URL of the broker that the flags or the environment name; None if they name none.

    Who mistypes the name of its file is to be told so, and not that its queues are empty.

    :raises ConfigurationError: if there is no such file
    """
    url = args.broker_url or environ.get(URL_VARIABLE)
    name, _, path = (url or "").partition("?")[0].partition(":///")
    if name.startswith("sqlite") and path and not path.startswith(("file:", ":memory:")) and not Path(path).exists():
        source = "--broker-url" if args.broker_url else URL_VARIABLE
        raise ConfigurationError(f"There is no broker in the file {path}, seen from {Path.cwd()}: see {source}")
    return url or None
