"""
Merging the arguments of a task that waits with those of the same task, sent again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from microcosm_pubsub.errors import ConfigurationError, article


#: Takes the arguments of the one that waits, and those of the one that is sent, by name; returns what it has then.
Merge = Callable[[dict[str, Any], dict[str, Any]], dict[str, Any]]


def keep(waiting: dict[str, Any], sent: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of the one that waits."""
    return waiting


def replace(waiting: dict[str, Any], sent: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of the one that is sent."""
    return sent


def append(waiting: dict[str, Any], sent: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments with lists that are those of both, one after the other; others are those that are sent."""
    return {
        **waiting,
        **{
            name: [*waiting[name], *value] if isinstance(value, list) and isinstance(waiting.get(name), list) else value
            for name, value in sent.items()
        },
    }


MERGES: dict[str, Merge] = {"keep": keep, "replace": replace, "append": append}


def merge_arguments(name: str, merge: str | Merge, waiting: Any, sent: Any) -> Any:
    """
    Return the arguments that a task has when it is sent while it waits.

    :param name: of the task, for errors
    :raises ConfigurationError: if they are not by name, or cannot be merged so
    """
    if merge == "keep":
        return waiting
    if not (isinstance(waiting, dict) and isinstance(sent, dict)):
        raise ConfigurationError(f"{name}: merge={merge!r} needs arguments by name, and its task_class writes none")
    chosen = MERGES[merge] if isinstance(merge, str) else merge
    merged: Any = chosen(waiting, sent)
    if not isinstance(merged, dict):
        raise ConfigurationError(f"{name}: merge gave {article(merged)}, but must give the arguments by name, a dict")
    return merged
