"""
Commands of others on our command line: handler modules add subcommands, packages commands of their own.
"""

from __future__ import annotations

from argparse import Namespace
from functools import partial
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from microcosm_pubsub.errors import ConfigurationError
from microcosm_pubsub.modules.config import Config
from microcosm_pubsub.modules.handler import load_module


#: A function of this group takes what `add_subparsers` returned, and adds a command whose `call` is `call(args)`.
GROUP = "pubsub.commands"


def add_queue_commands(commands: Any, config: Config) -> None:
    """
    Add a command for each queue whose handler module has subcommands.

    A module that cannot be imported has a command that says why, and the others have theirs.

    :param commands: the object that `add_subparsers` returned
    :raises ConfigurationError: if a queue has the name of a command that is there
    """
    for queue in config.queues.values():
        if queue.name in commands.choices:
            raise ConfigurationError(f"{config.path}: `pubsub {queue.name}` is a command: give the queue another name")
        if queue.is_daemon:
            continue
        try:
            module = load_module(queue)
        except ConfigurationError as error:
            add_broken(commands, queue.name, str(error))
            continue
        register = getattr(module, "register_commands", None)
        if register is None:
            continue
        command = commands.add_parser(queue.name, help=f"the subcommands of {queue.handler}")
        register(command.add_subparsers(title="subcommands", dest="subcommand_name", required=True))
        command.set_defaults(call=partial(run_subcommand, config), debug=False)


def run_subcommand(config: Config, args: Namespace) -> Any:
    """Run a subcommand of a handler module: `args.subcommand(config, args)`."""
    subcommand = getattr(args, "subcommand", None)
    if subcommand is None:
        raise ConfigurationError(
            f"The subcommand {args.subcommand_name} does nothing: give its parser set_defaults(subcommand=...)"
        )
    return subcommand(config, args)


def add_plugins(commands: Any) -> None:
    """
    Add the commands of other packages; one that is broken is listed as that, and breaks nothing else.

    :param commands: the object that `add_subparsers` returned
    """
    for plugin in entry_points(group=GROUP):
        try:
            plugin.load()(commands)
        except Exception as error:
            # A plugin is user code, whose fault must not be that of the commands beside it.
            add_broken(commands, plugin.name, f"{describe(plugin)} is broken: {type(error).__name__}: {error}")


def add_broken(commands: Any, name: str, why: str) -> None:
    """Add a command that says why there is none."""
    if name in commands.choices:
        return

    def refuse(args: Namespace) -> None:
        raise ConfigurationError(why)

    command = commands.add_parser(name, help=f"broken: {why}".replace("%", "%%"))
    command.add_argument("rest", nargs="*")
    command.set_defaults(call=refuse, debug=False)


def describe(plugin: EntryPoint) -> str:
    """Return the description of a plug-in, for people."""
    package = f" of {plugin.dist.name}" if plugin.dist is not None else ""
    return f"The command {plugin.name}{package}, {plugin.value},"
