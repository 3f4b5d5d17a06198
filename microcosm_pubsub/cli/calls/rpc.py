"""
`pubsub rpc`: call a service by hand, and remove the reply queues of processes that are gone.
"""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from math import isfinite

from microcosm_pubsub.calls.cleaning import MAX_AGE_SECONDS
from microcosm_pubsub.calls.errors import RpcError
from microcosm_pubsub.cli.calls.session import add_graph_flags, open_graph, read_params
from microcosm_pubsub.cli.dlq.session import print_json
from microcosm_pubsub.cli.flags import find_broker_url
from microcosm_pubsub.clients import CLIENT_ERRORS
from microcosm_pubsub.errors import ConfigurationError, QueueAccessError


def add_flags(parser: ArgumentParser) -> None:
    """Add the commands, with their flags."""
    commands = parser.add_subparsers(dest="rpc_command", required=True, metavar="COMMAND")

    text = "call a method of a service, and print its answer as JSON"
    command = commands.add_parser("call", help=text, description=text[:1].upper() + text[1:] + ".")
    command.add_argument("method", metavar="SERVICE.METHOD")
    command.add_argument("--args", metavar="JSON", help="its parameters: a list by position, or an object by name")
    command.add_argument("--timeout-seconds", type=float, metavar="S", help="how long to wait for it; 10 by default")
    add_rpc_flags(command)
    command.set_defaults(call=call)

    text = "remove the reply queues of processes that are gone"
    command = commands.add_parser("clean", help=text, description=text[:1].upper() + text[1:] + ".")
    command.add_argument(
        "--max-age-seconds",
        type=age,
        default=MAX_AGE_SECONDS,
        metavar="S",
        help="those of other machines that nobody touched for this long; a day by default",
    )
    add_rpc_flags(command)
    command.set_defaults(call=clean)


def add_rpc_flags(parser: ArgumentParser) -> None:
    """Add the flags that say where services and reply queues are."""
    add_graph_flags(parser)
    parser.add_argument("--prefix", metavar="P", help="how the names of reply queues begin; pubsub-reply- by default")


def age(text: str) -> float:
    """Read an age, in seconds."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not (isfinite(value) and value >= 0):
        raise ArgumentTypeError("must be a number of seconds, 0 or more")
    return value


def call(args: Namespace) -> int:
    """Call a method, and print its answer."""
    args.broker_url = find_broker_url(args)
    rpc = open_graph(args, "pubsub_rpc").pubsub_rpc
    params = read_params(args.args)
    by_position, by_name = (params, {}) if isinstance(params, list) else ([], params)
    if "timeout_seconds" in by_name:
        raise ConfigurationError(
            "--args names timeout_seconds, by which a call says how long it waits: use --timeout-seconds for that, or "
            "give the parameters by position, as a list"
        )
    try:
        result = rpc.call(args.method, *by_position, timeout_seconds=args.timeout_seconds, **by_name)
    except RpcError as error:
        if not args.json:
            raise
        print_json({"error": error.to_dict()})
        return 1
    finally:
        rpc.close()
    print_json({"result": result} if args.json else result)
    return 0


def clean(args: Namespace) -> int:
    """Remove reply queues, and print which."""
    args.broker_url = find_broker_url(args)
    queues = open_graph(args, "pubsub_rpc").pubsub_rpc.queues
    try:
        removed = queues.clean(args.max_age_seconds)
    except CLIENT_ERRORS as error:
        raise QueueAccessError(
            f"Cannot remove reply queues: {error}; that needs sqs:ListQueues, sqs:GetQueueAttributes "
            "and sqs:DeleteQueue"
        ) from error
    if args.json:
        print_json([{"name": queue.name, "age_seconds": round(queue.age_seconds)} for queue in removed])
        return 0
    for queue in removed:
        print(f"removed {queue.name}")
    print("1 reply queue was removed" if len(removed) == 1 else f"{len(removed)} reply queues were removed")
    return 0
