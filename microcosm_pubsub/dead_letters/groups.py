"""
Count the messages of a dead-letter queue by what they have in common.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from microcosm_pubsub.dead_letters.letter import Letter


BEGINNING = datetime.min.replace(tzinfo=UTC)


@dataclass(slots=True)
class Group:
    """
    Messages of one media type that failed in one handler with one error.

    :param newest: the one that was given up last
    """

    count: int
    newest: Letter

    def to_dict(self) -> dict[str, Any]:
        """Return all of it, for a machine."""
        newest = self.newest
        return {
            "media_type": newest.media_type,
            "handler": newest.handler,
            "error": newest.error,
            "count": self.count,
            "newest": newest.to_dict(),
        }


def group_letters(letters: Iterable[Letter]) -> list[Group]:
    """Return the groups of messages, the largest first."""
    groups: dict[tuple[str | None, ...], Group] = {}
    for letter in letters:
        group = groups.setdefault((letter.media_type, letter.handler, letter.error), Group(0, letter))
        group.count += 1
        if (letter.died_at or BEGINNING) >= (group.newest.died_at or BEGINNING):
            group.newest = letter
    return sorted(groups.values(), key=lambda group: -group.count)
