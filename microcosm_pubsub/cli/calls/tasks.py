"""
`pubsub tasks`: what tasks there are; send one, or run one here; and what became of those that were sent.
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from traceback import print_exception
from typing import Any

from microcosm_pubsub.calls.errors import CallError
from microcosm_pubsub.calls.functions import TaskFunction
from microcosm_pubsub.calls.plain import to_plain
from microcosm_pubsub.cli.calls import ledger
from microcosm_pubsub.cli.calls.session import add_graph_flags, import_tasks, opening_graph, read_params
from microcosm_pubsub.cli.dlq.session import print_json
from microcosm_pubsub.cli.flags import find_broker_url
from microcosm_pubsub.cli.run import DAEMON
from microcosm_pubsub.cli.table import make_table, print_table
from microcosm_pubsub.codecs.codec import ENCODING_ERRORS
from microcosm_pubsub.errors import PubSubError, article
from microcosm_pubsub.result import describe as describe_error
from microcosm_pubsub.result import find_user_frames


def add_flags(parser: ArgumentParser) -> None:
    """Add the commands, with their flags."""
    commands = parser.add_subparsers(dest="tasks_command", required=True, metavar="COMMAND")

    def add(name: str, call: Callable[[Namespace], int], text: str) -> ArgumentParser:
        command = commands.add_parser(name, help=text, description=text[:1].upper() + text[1:] + ".")
        command.set_defaults(call=call, name=None)
        command.add_argument("--daemon", metavar=DAEMON, help="the tasks and the topics of a daemon")
        command.add_argument(
            "--import", dest="imports", action="append", metavar="MODULE", help="a module that declares tasks"
        )
        ledger.add_database_flags(command)
        add_graph_flags(command)
        return command

    command = add("list", list_tasks, "show the tasks that are declared, or with a database those that were sent")
    ledger.add_filters(command)
    for name, call, text in (
        ("send", send, "send a task, to be run by a daemon"),
        ("run", run, "run a task here and now, and print its value"),
    ):
        command = add(name, call, text)
        command.add_argument("name", metavar="NAME", help="of the task, such as package.module.function")
        command.add_argument("--args", metavar="JSON", help="its arguments: a list by position, or an object by name")
    ledger.add_commands(add)


def list_tasks(args: Namespace) -> int:
    """Show the tasks that are declared, or those that were sent."""
    if ledger.is_asked(args):
        return ledger.list_rows(args)
    if not args.daemon:
        # Nothing is called, so that any broker will do.
        args.broker_url = "sqlite://"
    with opening_tasks(args) as tasks:
        # A daemon may run those of some queues alone.
        declared = tasks.iter_running() if args.daemon else tasks.registry.functions.values()
        functions = sorted(declared, key=lambda each: (each.queue, each.name))
    if args.json:
        print_json([describe(function) for function in functions])
        return 0
    if not functions:
        tell_none(args)
        return 0
    # Few tasks are sent by their schedule alone.
    recurring = any(function.recurrence is not None for function in functions)
    table = make_table("task", "queue", "arguments", "attempts", "timeout", *(["when"] if recurring else []))
    for function in functions:
        found = describe(function)
        attempts = found["max_attempts"] or "as the daemon says"
        timeout = f"{found['timeout_seconds']:g} s" if found["timeout_seconds"] else ""
        cells = [found["name"], found["queue"], found["arguments"], str(attempts), timeout]
        table.add_row(*cells, *([found["recurrence"] or ""] if recurring else []))
    print_table(table)
    return 0


def tell_none(args: Namespace) -> None:
    """Say where tasks may be, if none is declared."""
    where = ", ".join([*(args.imports or []), *([args.daemon] if args.daemon else [])])
    text = f"No task is declared in {where}" if where else "No module is named: name those of tasks with --import"
    print(f"{text}; tasks that were sent are listed with --database-url", file=sys.stderr)


def send(args: Namespace) -> int:
    """Send a task, and print its id."""
    # What is sent into a file that only this command has opened is lost.
    args.broker_url = find_broker_url(args)
    with opening_tasks(args) as tasks:
        function = tasks.find_function(args.name)
        by_position, by_name = function.parameters.load(read_params(args.args))
        handle = tasks.task(function, *by_position, **by_name)
    print_json({"id": handle.task_id, "name": handle.name}) if args.json else print(handle.task_id)
    return 0


def run(args: Namespace) -> int:
    """Run a task here and now, and print its value."""
    with opening_tasks(args) as tasks:
        function = tasks.find_function(args.name)
        by_position, by_name = function.parameters.load(read_params(args.args))
        try:
            value = tasks.options(is_async=False).task(function, *by_position, **by_name)
        except PubSubError:
            raise
        except (Exception, SystemExit) as error:
            # The task is somebody's program that is tried here, and this tells what became of it.
            print_exception(error.with_traceback(find_user_frames(error.__traceback__)))
            print(f"pubsub tasks: {function.name} raised {describe_error(error)}", file=sys.stderr)
            return 1
    if not args.json:
        print(value)
        return 0
    try:
        plain = to_plain(value)
    except ENCODING_ERRORS as error:
        raise CallError(
            f"{function.name} returned {article(value)}, which cannot be written as JSON ({error}): leave out --json"
        ) from error
    print_json({"value": plain})
    return 0


@contextmanager
def opening_tasks(args: Namespace) -> Iterator[Any]:
    """Give the tasks of a graph, as the flags say."""
    import_tasks(args.imports, args.name)
    with opening_graph(args, "pubsub_tasks") as graph:
        yield graph.pubsub_tasks


def describe(function: TaskFunction[..., Any]) -> dict[str, Any]:
    """Return the facts about a task."""
    options = function.handler_options
    return {
        "name": function.name,
        "queue": function.queue,
        "arguments": str(function.parameters.declared.signature),
        "max_attempts": options.retry.max_attempts if options.retry is not None else None,
        "timeout_seconds": options.timeout_seconds,
        "ledger": function.ledger,
        "recurrence": None if function.recurrence is None else str(function.recurrence),
    }
