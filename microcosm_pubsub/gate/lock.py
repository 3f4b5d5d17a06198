"""
The lock file: what messages were when it was written, and what has changed since.

A change is judged in both directions. New producers write to consumers that were not deployed yet; and new consumers
read what producers that were not deployed yet write, and what is still on its way, in dead-letter queues too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from json import JSONDecodeError, dumps, loads
from pathlib import Path
from typing import Any

from microcosm_pubsub.errors import ConfigurationError
from microcosm_pubsub.gate.description import MessageDescription
from microcosm_pubsub.gate.subset import find_problems


LOCK_FILE = "pubsub.lock.json"
VERSION = 1

#: Whom a change breaks: consumers that were not deployed yet, or producers.
CONSUMERS = "consumers"
PRODUCERS = "producers"


@dataclass(frozen=True, slots=True)
class Change:
    """
    Something that has changed.

    :param media_type: of which messages
    :param breaks: whom it breaks, "consumers" or "producers" that were not deployed yet; None if it breaks nobody
    :param path: of which field; empty if it is all of them
    :param text: the change, in words
    :param is_allowed: whether somebody has said that it may
    """

    media_type: str
    breaks: str | None
    path: str
    text: str
    is_allowed: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return it for a machine."""
        return {
            "media_type": self.media_type,
            "breaks": self.breaks,
            "path": self.path,
            "text": self.text,
            "allowed": self.is_allowed,
        }


def write_lock(path: Path, messages: Mapping[str, MessageDescription]) -> None:
    """Write the lock file, always in the same way."""
    document = {"version": VERSION, "messages": {name: each.to_dict() for name, each in messages.items()}}
    path.write_text(dumps(document, indent=2, sort_keys=True) + "\n", "utf-8")


def read_lock(path: Path) -> dict[str, MessageDescription]:
    """
    Return the content of a lock file.

    :raises ConfigurationError: if it cannot be read
    """
    try:
        document = loads(path.read_text("utf-8"))
        if document["version"] != VERSION:
            raise ConfigurationError(f"{path} is of version {document['version']}, and this package reads {VERSION}")
        return {
            name: MessageDescription(name, each["schema"], each["writes"], each["reads"])
            for name, each in document["messages"].items()
        }
    except FileNotFoundError:
        raise ConfigurationError(f"There is no {path}: write it with `pubsub schemas lock`, and commit it") from None
    except (OSError, UnicodeDecodeError, JSONDecodeError, KeyError, TypeError, AttributeError) as error:
        raise ConfigurationError(f"Cannot read {path}: {type(error).__name__}: {error}") from error


def compare(
    before: Mapping[str, MessageDescription], after: Mapping[str, MessageDescription], allowed: Iterable[str] = ()
) -> list[Change]:
    """
    Return the changes, those that break somebody first.

    :param allowed: changes that are allowed: `MEDIA_TYPE` or `MEDIA_TYPE:PATH`, either with `*` for any text
    """
    patterns = list(allowed)
    found: list[Change] = []
    for media_type in sorted({*before, *after}):
        found.extend(compare_one(media_type, before.get(media_type), after.get(media_type)))
    judged = [
        Change(
            each.media_type, each.breaks, each.path, each.text, each.breaks is not None and is_allowed(each, patterns)
        )
        for each in found
    ]
    return sorted(judged, key=lambda each: (each.breaks is None, each.is_allowed, each.media_type, each.path))


def compare_one(
    media_type: str, before: MessageDescription | None, after: MessageDescription | None
) -> Iterator[Change]:
    """Iterate over the changes of one media type."""
    if before is None:
        yield Change(media_type, None, "", "is new")
        return
    if after is None:
        yield Change(media_type, PRODUCERS, "", "is gone: what is still written is read by nobody")
        return
    if before.hash == after.hash:
        return
    breaks = [
        *(Change(media_type, CONSUMERS, each.path, each.text) for each in find_problems(after.writes, before.reads)),
        *(Change(media_type, PRODUCERS, each.path, each.text) for each in find_problems(before.writes, after.reads)),
    ]
    yield from breaks
    broken = {each.path for each in breaks}
    old, new = before.reads.get("properties", {}), after.reads.get("properties", {})
    for name in sorted(new.keys() - old.keys() - broken):
        yield Change(media_type, None, name, "is new, and need not be there")
    for name in sorted(old.keys() - new.keys() - broken):
        yield Change(media_type, None, name, "is gone, and was not required")
    if not breaks and old.keys() == new.keys():
        yield Change(media_type, None, "", "has changed, and breaks nobody")


def is_allowed(change: Change, patterns: Iterable[str]) -> bool:
    """Return whether somebody has said that something may change."""
    names = (change.media_type, f"{change.media_type}:{change.path}")
    return any(fnmatchcase(name, pattern) for pattern in patterns for name in names)
