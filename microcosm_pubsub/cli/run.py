"""
Find the daemon that a command line names, or that of a queue that the configuration file names; and run it.
"""

import sys
from argparse import REMAINDER, ArgumentParser, Namespace
from importlib import import_module
from typing import TypeGuard

from microcosm_pubsub.calls.service import Service, make_service_daemon
from microcosm_pubsub.daemon import ConsumerDaemon
from microcosm_pubsub.errors import ConfigurationError
from microcosm_pubsub.modules import find_config
from microcosm_pubsub.modules.daemon import make_daemon, make_queue_daemon
from microcosm_pubsub.modules.handler import load_modules


#: How a command line names a daemon.
DAEMON = "package.module:Daemon|QUEUE"


def add_flags(parser: ArgumentParser) -> None:
    """Add the flags of the command."""
    parser.add_argument("daemon", metavar=DAEMON, help="a daemon, or a queue of pubsub.toml")
    parser.add_argument("flags", nargs=REMAINDER, help="the daemon's own flags, such as --help")
    parser.set_defaults(call=main, debug=False)


def main(args: Namespace) -> None:
    """Run a daemon with the flags that follow its name."""
    daemon_cls = find_daemon(args)
    sys.argv = [f"pubsub run {args.daemon}", *args.flags]
    daemon_cls().run()


def find_daemon(args: Namespace) -> type[ConsumerDaemon]:
    """
    Return the daemon that a command line names.

    :raises ConfigurationError: if there is none
    """
    return load_daemon(args.daemon) if ":" in args.daemon else load_queue(args.daemon, args.config_file)


def load_queue(name: str, path: str | None) -> type[ConsumerDaemon]:
    """
    Return the daemon of a queue that the configuration file names.

    :param path: of the file; by default the one in the current directory
    :raises ConfigurationError: if there is no such queue, or its handler cannot be used
    """
    config = find_config(path)
    if config is None:
        raise ConfigurationError(
            f"No daemon is {name!r}: name it as package.module:Daemon, or write a pubsub.toml that names the queue"
        )
    queue = config.get_queue(name)
    if queue.is_daemon:
        daemon_cls = load_daemon(queue.handler)
        defaults = {"sqs_consumer": {"sqs_queue_url": queue.url}} if queue.url else {}
        return make_queue_daemon(daemon_cls, queue.workers, defaults)
    return make_daemon(config, queue, load_modules(config, [name])[name])


def load_daemon(name: str) -> type[ConsumerDaemon]:
    """
    Return the daemon class that is named as `package.module:Daemon`; a service may stand in its place.

    :raises ConfigurationError: if there is none
    """
    module_name, _, class_name = name.partition(":")
    if not module_name or module_name.startswith("."):
        raise ConfigurationError(f"Cannot import {module_name!r}; name the daemon as package.module:Daemon")
    sys.path.insert(0, "")
    try:
        module = import_module(module_name)
    except ModuleNotFoundError as error:
        raise ConfigurationError(f"Cannot import {module_name}: {error}; name it as package.module:Daemon") from error
    daemon_cls = getattr(module, class_name, None)
    if is_service(daemon_cls):
        # It runs alone, as its own `run` lets it.
        return make_service_daemon(daemon_cls)
    if not isinstance(daemon_cls, type) or not issubclass(daemon_cls, ConsumerDaemon):
        known = [key for key, value in vars(module).items() if is_daemon(value) or is_service(value)]
        raise ConfigurationError(
            f"{module_name} has no daemon {class_name!r}; its daemons are {', '.join(known) or 'none'}"
        )
    return daemon_cls


def is_service(value: object) -> TypeGuard[type[Service]]:
    """Return whether a module's attribute is a service, which may run alone."""
    return isinstance(value, type) and issubclass(value, Service) and bool(value.name)


def is_daemon(value: object) -> bool:
    """Return whether a module's attribute is a daemon to run."""
    return isinstance(value, type) and issubclass(value, ConsumerDaemon) and value is not ConsumerDaemon
