"""
Run a daemon that is named on the command line.
"""

import sys
from argparse import Namespace
from importlib import import_module

from microcosm_pubsub.daemon import ConsumerDaemon
from microcosm_pubsub.errors import ConfigurationError


def main(args: Namespace) -> None:
    """Run a daemon with the flags that follow its name."""
    daemon_cls = load_daemon(args.daemon)
    sys.argv = [f"pubsub run {args.daemon}", *args.flags]
    daemon_cls().run()


def load_daemon(name: str) -> type[ConsumerDaemon]:
    """
    Return the daemon class that is named as `package.module:Daemon`.

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
    if not isinstance(daemon_cls, type) or not issubclass(daemon_cls, ConsumerDaemon):
        known = [key for key, value in vars(module).items() if is_daemon(value)]
        raise ConfigurationError(
            f"{module_name} has no daemon {class_name!r}; its daemons are {', '.join(known) or 'none'}"
        )
    return daemon_cls


def is_daemon(value: object) -> bool:
    """Return whether a module's attribute is a daemon to run."""
    return isinstance(value, type) and issubclass(value, ConsumerDaemon) and value is not ConsumerDaemon
