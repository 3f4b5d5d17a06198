"""
`pubsub topology` and `pubsub iam`: what a daemon and its producers need in AWS, and must be allowed there.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Sequence
from json import dumps

from microcosm_pubsub.cli import provision
from microcosm_pubsub.cli.dlq.flags import positive_integer
from microcosm_pubsub.cli.run import DAEMON, find_daemon
from microcosm_pubsub.cli.table import make_table, print_table
from microcosm_pubsub.topology.engine import make_daemon
from microcosm_pubsub.topology.formats import FORMATS
from microcosm_pubsub.topology.permissions import ANY_ACCOUNT, ANY_REGION, POLICIES
from microcosm_pubsub.topology.plan import Topology, plan


#: The actions of `pubsub topology`; without one it prints the topology.
PRINT = "print"
ACTIONS = (PRINT, "diff", "apply")


def add_flags(parser: ArgumentParser) -> None:
    """Add the commands of `pubsub topology`, with their flags."""
    commands = parser.add_subparsers(dest="topology_command", required=True, metavar="COMMAND")

    def add(name: str, call: Callable[[Namespace], int | None], text: str) -> ArgumentParser:
        command = commands.add_parser(name, help=text, description=text[:1].upper() + text[1:] + ".")
        command.set_defaults(call=call, debug=False)
        add_plan_flags(command)
        return command

    command = add(PRINT, print_topology, "print what there has to be; the command that is meant if none is named")
    command.add_argument("--format", choices=["table", *FORMATS], default="table", help="a table for people by default")
    text = "compare it with what there is, and exit 1 if anything is missing or differs"
    provision.add_flags(add("diff", diff, text))
    command = add("apply", apply, "create what is missing and change what differs, after it was printed")
    command.add_argument("--yes", action="store_true", help="do it; without it the plan is printed alone")
    provision.add_flags(command)


def complete(argv: Sequence[str]) -> list[str]:
    """
    Return a command line in which `pubsub topology` names its action.

    argparse has no command that may be left out: an optional positional argument would take the daemon's name for it.
    """
    words = list(argv)
    # The subcommand stands behind the flag that names a file, and its value.
    index = 2 if words[:1] == ["-c"] else 0
    if words[index : index + 1] == ["topology"]:
        asked = words[index + 1 : index + 2]
        if asked and asked[0] not in (*ACTIONS, "-h", "--help"):
            words.insert(index + 1, PRINT)
    return words


def add_iam_flags(parser: ArgumentParser) -> None:
    """Add the flags of `pubsub iam`."""
    parser.add_argument("role", choices=sorted(POLICIES), help="who is to be allowed what he needs")
    add_plan_flags(parser)
    parser.add_argument("--region", default=ANY_REGION, metavar="R", help="any by default")
    parser.add_argument("--account", default=ANY_ACCOUNT, metavar="ID", help="of AWS; any by default")
    parser.set_defaults(call=print_policy, debug=False)


def add_plan_flags(parser: ArgumentParser) -> None:
    """Add the flags of the topology."""
    parser.add_argument("daemon", metavar=DAEMON)
    parser.add_argument(
        "--producers", action="store_true", help="whoever uses it publishes what its modules declare schemas of, too"
    )
    parser.add_argument(
        "--max-receive-count",
        type=positive_integer,
        default=5,
        metavar="N",
        help="after N receives a message goes to the dead-letter queue; 5 by default",
    )
    parser.add_argument("--kms-key", metavar="KEY", help="the id, ARN or alias of a key, by which all is encrypted")


def read_plan(args: Namespace, with_producers: bool) -> Topology:
    """Return the topology that the flags say."""
    return plan(make_daemon(find_daemon(args)), with_producers, args.max_receive_count, args.kms_key)


def diff(args: Namespace) -> int:
    """Compare the topology with what there is, and return 1 unless all of it is there."""
    return provision.diff(args, read_plan(args, args.producers))


def apply(args: Namespace) -> int:
    """Create missing resources and change those that differ."""
    return provision.apply(args, read_plan(args, args.producers))


def print_topology(args: Namespace) -> None:
    """Print the topology."""
    topology = read_plan(args, args.producers)
    if args.format != "table":
        print(FORMATS[args.format](topology))
        return
    table = make_table("what", "name", "how")
    for topic in topology.topics:
        published = f"published: {', '.join(topic.published)}" if topic.published else ""
        table.add_row("topic", topic.name, published)
    if (queue := topology.queue) is not None:
        hidden = f"visibility timeout {queue.visibility_timeout_seconds} s"
        table.add_row("queue", queue.name, f"{hidden}; after {queue.max_receive_count} receives to its dead letters")
        table.add_row("queue", queue.dead_letter_queue, "dead letters, kept for 14 days")
        for topic in topology.subscribed:
            table.add_row("subscription", f"{topic.name} -> {queue.name}", f"only {', '.join(topic.handled)}")
        senders = ", ".join(topic.name for topic in topology.subscribed)
        table.add_row("policy", queue.name, f"lets {senders or 'nobody'} send, and nobody else")
    if topology.kms_key is not None:
        table.add_row("key", topology.kms_key, "lets SNS encrypt: kms:GenerateDataKey and kms:Decrypt")
    print_table(table)


def print_policy(args: Namespace) -> None:
    """Print the permissions that a role needs."""
    # A program that only handles may publish the media types that it handles, if nothing else is known.
    topology = read_plan(args, args.producers or args.role == "producer")
    print(dumps(POLICIES[args.role](topology, args.region, args.account), indent=2))
