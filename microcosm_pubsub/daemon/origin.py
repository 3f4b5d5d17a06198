"""
The origin of each value of a daemon's configuration.
"""

from __future__ import annotations

import re
from argparse import Namespace
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from os import environ
from typing import TYPE_CHECKING, Any

from microcosm.api import create_object_graph, load_from_dict, load_from_environ

from microcosm_pubsub.daemon.configuration import attributes_to_config
from microcosm_pubsub.daemon.flags import flags_to_config


if TYPE_CHECKING:
    from microcosm_pubsub.daemon.daemon import ConsumerDaemon

#: Values of such keys are not shown.
SECRET = re.compile(r"password|passwd|secret|token|api_key|private|credential|dsn", re.IGNORECASE)

#: The placeholder of a secret.
HIDDEN = "(hidden)"

#: The password in a URL: https://datatracker.ietf.org/doc/html/rfc3986#section-3.2.1
URL_PASSWORD = re.compile(r"(://[^/@:\s]*):[^/@\s]+@")


@dataclass(frozen=True, slots=True)
class EffectiveSetting:
    """
    One value of a configuration.

    :param key: its section and its name, with a dot between
    :param value: in force; what is secret of it is hidden
    :param origin: "default", "class" for the attributes of the daemon, "defaults" for its `defaults`, a variable of the
        environment, or "flag"
    """

    key: str
    value: Any
    origin: str


def iter_settings(daemon: ConsumerDaemon, args: Namespace) -> Iterator[EffectiveSetting]:
    """
    Iterate over the configuration of a daemon, by key; no component is made for it.

    :param args: its command line flags
    :raises ConfigurationError: if a value cannot work
    """
    daemon.args = args
    graph = create_object_graph(
        daemon.name,
        debug=bool(getattr(args, "debug", False)),
        import_name=daemon.import_name,
        root_path=daemon.root_path,
        loader=daemon.loader,
    )
    # Later sources win.
    sources = [
        ("class", attributes_to_config(daemon)),
        ("defaults", load_from_dict(daemon.defaults)(graph.metadata)),
        ("environment", load_from_environ(graph.metadata)),
        ("flag", flags_to_config(args)),
    ]
    origins = {path: name for name, config in sources for path, value in iter_values(config) if value not in ([], None)}
    for path, value in sorted(iter_values(graph.config)):
        origin = origins.get(path, "default")
        if origin == "environment":
            origin = make_variable(daemon.name, path)
        elif path == ("pubsub_broker", "url") and not value and environ.get("PUBSUB_BROKER_URL"):
            value, origin = environ["PUBSUB_BROKER_URL"], "PUBSUB_BROKER_URL"
        yield EffectiveSetting(".".join(path), hide_secrets(path, value), origin)


def iter_values(config: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Iterate over the values of a nested configuration, each with the keys that lead to it."""
    for key, value in config.items():
        if isinstance(value, Mapping):
            yield from iter_values(value, (*path, str(key)))
        else:
            yield (*path, str(key)), value


def make_variable(name: str, path: tuple[str, ...]) -> str:
    """Return the variable of the environment that says a value for the daemon of a name."""
    return "__".join(part.upper() for part in (name.replace("-", "_"), *path))


def hide_secrets(path: tuple[str, ...], value: Any) -> Any:
    """Return a value as it may be shown."""
    if value not in (None, "") and SECRET.search(path[-1]):
        return HIDDEN
    return URL_PASSWORD.sub(rf"\1:{HIDDEN}@", value) if isinstance(value, str) else value
