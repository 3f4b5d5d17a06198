"""
Serve SNS and SQS over HTTP, on the embedded broker.
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from asyncio import AbstractEventLoop
from logging import INFO, getLogger
from os import environ
from pathlib import Path
from resource import RLIM_INFINITY, RLIMIT_NOFILE, getrlimit, setrlimit

from microcosm_pubsub.broker.factory import URL_VARIABLE, open_broker
from microcosm_pubsub.server.description import apply_description, read_description
from microcosm_pubsub.server.serving import make_server
from microcosm_pubsub.server.settings import DEFAULT_PORT, Limits, Settings


#: Open files beside connections: the database, and those of the system.
OTHER_FILES = 200

DEFAULT_URL = "sqlite:///pubsub.db"


def add_flags(parser: ArgumentParser) -> None:
    """Add the command's flags."""
    parser.add_argument("--broker-url", metavar="URL", help=f"the broker's database; {DEFAULT_URL} by default")
    parser.add_argument("--host", default="127.0.0.1", metavar="H", help="where to listen; 127.0.0.1 by default")
    parser.add_argument("--port", type=int, default=DEFAULT_PORT, metavar="P", help=f"{DEFAULT_PORT} by default")
    parser.add_argument("--access-key", metavar="K", help="requests must be signed with this key")
    parser.add_argument("--secret-key", metavar="S", help="and with this secret")
    parser.add_argument("--insecure", action="store_true", help="let anybody in, also from other machines")
    parser.add_argument(
        "--allow-http-delivery", action="store_true", help="let topics deliver to http and https, in private networks"
    )
    parser.add_argument("--config", type=Path, metavar="FILE", help="make the queues and topics of a YAML or JSON file")
    action = parser.add_mutually_exclusive_group()
    action.add_argument("--export", action="store_true", help="print what there is as such a file, and exit")
    action.add_argument("--import", dest="import_from", type=Path, metavar="FILE", help="make what it says, and exit")
    parser.add_argument(
        "--max-connections", type=int, default=Limits().connections, metavar="N", help="4096 by default"
    )
    parser.add_argument("--debug", action="store_true", help="log what happens")
    parser.set_defaults(call=main)


def main(args: Namespace) -> int:
    """Serve until told to stop."""
    settings = Settings(
        host=args.host,
        port=args.port,
        access_key=args.access_key or environ.get("PUBSUB_ACCESS_KEY"),
        secret_key=args.secret_key or environ.get("PUBSUB_SECRET_KEY"),
        insecure=args.insecure,
        allow_http_delivery=args.allow_http_delivery,
        limits=Limits(connections=args.max_connections),
    )
    clients = open_broker(args.broker_url or environ.get(URL_VARIABLE) or DEFAULT_URL)
    try:
        if args.export:
            from microcosm_pubsub.server.export import describe, write_description

            sys.stdout.write(write_description(describe(clients.broker)))
            return 0
        clients.broker.protocols.update(settings.protocols)
        for path in (args.config, args.import_from):
            if path is not None:
                apply_description(clients.broker, read_description(path))
        if args.import_from is None:

            def tell(loop: AbstractEventLoop) -> None:
                # Say so only now, when the server can be told to stop.
                print(f"Serving SNS and SQS of {clients.broker.store} at {server.url}", flush=True)

            server = make_server(clients.broker, settings, on_start=tell)
            allow_files(args.max_connections)
            getLogger("microcosm_pubsub.server.delivery").setLevel(INFO)
            server.run()
    finally:
        clients.close()
    return 0


def allow_files(connections: int) -> None:
    """Let this process have as many open files as its connections need, as far as the system lets it."""
    soft, hard = getrlimit(RLIMIT_NOFILE)
    wanted = connections + OTHER_FILES
    if soft != RLIM_INFINITY and soft < wanted:
        setrlimit(RLIMIT_NOFILE, (wanted if hard == RLIM_INFINITY else min(wanted, hard), hard))
