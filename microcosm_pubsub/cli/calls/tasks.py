"""
`pubsub tasks`: what tasks there are; send one, or run one here.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from typing import Any

from microcosm_pubsub.calls.functions import TaskFunction
from microcosm_pubsub.calls.plain import to_plain
from microcosm_pubsub.cli.calls.session import add_graph_flags, import_tasks, open_graph, read_params
from microcosm_pubsub.cli.dlq.session import print_json
from microcosm_pubsub.cli.table import make_table, print_table


def add_flags(parser: ArgumentParser, add_client_flags: Callable[[ArgumentParser], None]) -> None:
    """Add the commands, with their flags."""
    commands = parser.add_subparsers(dest="tasks_command", required=True, metavar="COMMAND")

    def add(name: str, call: Callable[[Namespace], int], text: str) -> ArgumentParser:
        command = commands.add_parser(name, help=text, description=text[:1].upper() + text[1:] + ".")
        command.set_defaults(call=call, name=None)
        command.add_argument("--daemon", metavar="package.module:Daemon", help="the tasks and the topics of a daemon")
        command.add_argument(
            "--import", dest="imports", action="append", metavar="MODULE", help="a module that declares tasks"
        )
        add_graph_flags(command, add_client_flags)
        return command

    add("list", list_tasks, "show the tasks that are declared")
    for name, call, text in (
        ("send", send, "send a task, to be run by a daemon"),
        ("run", run, "run a task here and now, and print its value"),
    ):
        command = add(name, call, text)
        command.add_argument("name", metavar="NAME", help="of the task, such as package.module.function")
        command.add_argument("--args", metavar="JSON", help="its arguments: a list by position, or an object by name")


def list_tasks(args: Namespace) -> int:
    """Show the tasks that are declared."""
    if not args.daemon:
        # nothing is called
        args.broker_url = "sqlite://"
    functions = sorted(open_tasks(args).registry.functions.values(), key=lambda each: (each.queue, each.name))
    if args.json:
        print_json([describe(function) for function in functions])
        return 0
    table = make_table("task", "queue", "arguments", "attempts", "timeout")
    for function in functions:
        found = describe(function)
        attempts = found["max_attempts"] or "as the daemon says"
        timeout = f"{found['timeout_seconds']:g} s" if found["timeout_seconds"] else ""
        table.add_row(found["name"], found["queue"], found["arguments"], str(attempts), timeout)
    print_table(table)
    return 0


def send(args: Namespace) -> int:
    """Send a task, and print its id."""
    function, tasks = find(args)
    by_position, by_name = function.parameters.load(read_params(args.args))
    handle = tasks.task(function, *by_position, **by_name)
    print_json({"id": handle.task_id, "name": handle.name}) if args.json else print(handle.task_id)
    return 0


def run(args: Namespace) -> int:
    """Run a task here and now, and print its value."""
    function, tasks = find(args)
    by_position, by_name = function.parameters.load(read_params(args.args))
    value = tasks.options(is_async=False).task(function, *by_position, **by_name)
    print_json({"value": to_plain(value)}) if args.json else print(value)
    return 0


def find(args: Namespace) -> tuple[TaskFunction[..., Any], Any]:
    """Return the task that is named, and what sends it."""
    tasks = open_tasks(args)
    return tasks.find_function(args.name), tasks


def open_tasks(args: Namespace) -> Any:
    """Return the tasks of a graph, as the flags say."""
    import_tasks(args.imports, args.name)
    return open_graph(args, "pubsub_tasks").pubsub_tasks


def describe(function: TaskFunction[..., Any]) -> dict[str, Any]:
    """Return what there is to know of a task."""
    options = function.handler_options
    return {
        "name": function.name,
        "queue": function.queue,
        "arguments": str(function.parameters.signature),
        "max_attempts": options.retry.max_attempts if options.retry is not None else None,
        "timeout_seconds": options.timeout_seconds,
    }
