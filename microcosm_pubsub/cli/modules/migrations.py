"""
`pubsub make-migration`, `migrate`, `migration-heads` and `merge-migrations`: the tables of handler modules.
"""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING, Any

from microcosm_pubsub.errors import ConfigurationError
from microcosm_pubsub.modules import Config, find_config
from microcosm_pubsub.modules.handler import load_modules


if TYPE_CHECKING:
    from microcosm_pubsub.modules.history import ModuleHistory


def add_flags(commands: Any) -> None:
    """Add the commands, with their flags."""
    command = commands.add_parser("make-migration", help="write what brings the database to a handler module's models")
    command.add_argument("queue", metavar="QUEUE")
    command.add_argument("-m", "--message", metavar="TEXT", default="Follow the models", help="what it does")
    command.set_defaults(call=make_migration, debug=False)

    command = commands.add_parser("migrate", help="run the migrations that the database lacks")
    command.set_defaults(call=migrate, debug=False)

    command = commands.add_parser("migration-heads", help="print the newest migrations of each queue")
    command.set_defaults(call=print_heads, debug=False)

    command = commands.add_parser("merge-migrations", help="write what makes one head of several")
    command.add_argument("queue", metavar="QUEUE")
    command.add_argument("-m", "--message", metavar="TEXT", default="Merge", help="what it does")
    command.set_defaults(call=merge_migrations, debug=False)


def make_migration(args: Namespace) -> None:
    """Write a script, and print where it is."""
    path = open_history(args, args.queue).make(args.queue, args.message)
    print(f"wrote {path}" if path else f"the database has what the models of {args.queue} say: nothing to write")


def migrate(args: Namespace) -> None:
    """Run the revisions that were not run yet."""
    before, after = open_history(args).migrate()
    same = ", as before" if before == after else f", before at {', '.join(before) or 'none'}"
    print(f"the database is at {', '.join(after) or 'none'}{same}")


def print_heads(args: Namespace) -> None:
    """Print the heads of each queue."""
    for name, heads in open_history(args).find_heads().items():
        merge = f"  (run `pubsub merge-migrations {name}`)" if len(heads) > 1 else ""
        print(f"{name}: {', '.join(heads)}{merge}")


def merge_migrations(args: Namespace) -> None:
    """Write a script, and print where it is."""
    print(f"wrote {open_history(args, args.queue).merge(args.queue, args.message)}")


def open_history(args: Namespace, name: str | None = None) -> ModuleHistory:
    """
    Return the migrations of the handler modules.

    :param name: of a queue that must have one
    :raises ConfigurationError: if there is no file, or a module cannot be imported
    """
    from microcosm_pubsub.modules.history import ModuleHistory

    config = need_config(args.config_file)
    if name is not None and config.get_queue(name).is_daemon:
        raise ConfigurationError(f"{name} is handled by a daemon, {config.queues[name].handler}, and by no module")
    return ModuleHistory(config, load_modules(config))


def need_config(path: str | None) -> Config:
    """
    Return the content of the file.

    :raises ConfigurationError: if there is none
    """
    config = find_config(path)
    if config is None:
        raise ConfigurationError(
            "There is no pubsub.toml here, nor [tool.pubsub] in pyproject.toml: write one, or name it with -c FILE"
        )
    return config
