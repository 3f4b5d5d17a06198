"""
`pubsub topology diff` and `pubsub topology apply`: what there has to be, beside what there is.
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.markup import escape

from microcosm_pubsub.cli.dlq.session import print_json
from microcosm_pubsub.cli.flags import add_client_flags
from microcosm_pubsub.cli.run import find_daemon
from microcosm_pubsub.cli.table import make_table, print_table
from microcosm_pubsub.topology.comparison import Comparison, Item
from microcosm_pubsub.topology.engine import make_graph, open_engine
from microcosm_pubsub.topology.inventory import Inventory
from microcosm_pubsub.topology.plan import Topology
from microcosm_pubsub.topology.provisioner import Provisioner


STYLES = {"missing": "bold red", "differs": "yellow", "there": "green", "unknown": "bold red"}


def add_flags(parser: ArgumentParser) -> None:
    """Add the flags that say where to look, and how to print the result."""
    parser.add_argument("--json", action="store_true", help="print the result for a machine")
    add_client_flags(parser)


def diff(args: Namespace, topology: Topology) -> int:
    """Print the comparison of the topology with what there is, and return 1 unless all of it is there."""
    with compare(args, topology) as (comparison, name):
        items = list(comparison.iter_items())
    if args.json:
        print_json({"engine": name, "items": [item.to_dict() for item in items]})
    else:
        print_items(items)
    return int(any(item.state != "there" for item in items))


def apply(args: Namespace, topology: Topology) -> int:
    """
    Create missing resources and change those that differ, if `--yes` says so; print the plan first.

    Without `--yes` it returns 1 if there is something to do.
    """
    with compare(args, topology) as (comparison, name):
        items = list(comparison.iter_items())
        is_done = all(item.state == "there" for item in items)
        if not args.json:
            print_items(items)
        done = []
        if args.yes:
            for line in Provisioner(comparison, items).run():
                done.append(line)
                if not args.json:
                    print(line, flush=True)
    if args.json:
        print_json({"engine": name, "items": [item.to_dict() for item in items], "done": done})
    elif not args.yes and not is_done:
        print(f"nothing was changed in {name}; --yes does it", file=sys.stderr)
    return int(not is_done and not args.yes)


@contextmanager
def compare(args: Namespace, topology: Topology) -> Iterator[tuple[Comparison, str]]:
    """Give the comparison of a topology with the engine that the flags and the configuration name, and its name."""
    graph = make_graph(find_daemon(args), make_overrides(args))
    with open_engine(graph) as engine:
        inventory = Inventory(engine.queue_client, engine.topic_client)
        yield Comparison(topology, inventory, has_rights=engine.broker is None), engine.name


def make_overrides(args: Namespace) -> dict[str, Any]:
    """Return the configuration that the flags stand for."""
    client = {"profile_name": args.profile, "region_name": args.region, "endpoint_url": args.endpoint_url}
    given = {"pubsub_broker": {"url": args.broker_url}, "sns_producer": client, "sqs_consumer": client}
    return {
        section: {key: value for key, value in values.items() if value is not None} for section, values in given.items()
    }


def print_items(items: list[Item]) -> None:
    """Print the resources that there have to be, and their states."""
    table = make_table("what", "name", "state", "change")
    for item in items:
        changes = "\n".join(map(str, item.changes)) or item.reason
        table.add_row(item.kind, item.name, f"[{STYLES[item.state]}]{item.state}[/]", escape(changes))
    print_table(table)
