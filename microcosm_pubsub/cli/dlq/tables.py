"""
The tables that people are shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from json import dumps
from typing import Any

from rich.markup import escape
from rich.table import Table

from microcosm_pubsub.cli.table import make_table
from microcosm_pubsub.dead_letters.filters import UNKNOWN
from microcosm_pubsub.dead_letters.groups import Group
from microcosm_pubsub.dead_letters.letter import Letter


#: What comes last of a content, if at all: its media type is shown beside it.
OUTER_KEYS = ("opaque_data", "opaqueData")
MEDIA_TYPE_KEYS = ("media_type", "mediaType")

#: At most this many characters of a content are shown.
MAX_CONTENT_LENGTH = 200


def make_letter_table(letters: Iterable[Letter], now: datetime) -> Table:
    """Return a table of messages, with the beginning of their content."""
    table = make_table("message", "why", "content")
    for letter in letters:
        reason = letter.reason
        why = [
            f"{reason.outcome + ' ' if reason else ''}{letter.error or UNKNOWN}",
            f"in {letter.handler or UNKNOWN}",
            f"{to_age(letter.died_at, now)} ago, attempts: {(reason and reason.attempts) or UNKNOWN}",
        ]
        if letter.redrives:
            why.append(f"sent back {letter.redrives} times")
        message = [
            letter.message_id,
            letter.media_type or UNKNOWN,
            *([f"group {letter.group_id}"] * bool(letter.group_id)),
            *([f"logged as {letter.source_message_id}"] * bool(letter.source_message_id)),
        ]
        table.add_row(*(escape("\n".join(lines)) for lines in (message, why, [shorten(letter)])))
    return table


def make_group_table(groups: Iterable[Group], now: datetime) -> Table:
    """Return a table of groups."""
    table = make_table("count", "media type", "handler", "error", "newest", numbers=["count"])
    for group in groups:
        newest = group.newest
        texts = [newest.media_type or UNKNOWN, newest.handler or UNKNOWN, newest.error or UNKNOWN]
        example = f"{newest.message_id}\n{to_age(newest.died_at, now)} ago"
        table.add_row(str(group.count), *map(escape, texts), escape(example))
    return table


def shorten(letter: Letter) -> str:
    """Return the beginning of a message's content."""
    content = letter.plain_content
    if isinstance(content, dict):
        content = _order(content, MEDIA_TYPE_KEYS if letter.media_type else ())
    text = content if isinstance(content, str) else dumps(content, ensure_ascii=False)
    # The terminal must not obey a message's control characters.
    text = "".join(map(_show, " ".join(text.split())))
    return text if len(text) <= MAX_CONTENT_LENGTH else f"{text[:MAX_CONTENT_LENGTH]}..."


def _order(content: dict[str, Any], known: Sequence[str]) -> dict[str, Any]:
    """Return what a message says before what goes along with it, for there is no room for all."""
    outer = {key: content[key] for key in OUTER_KEYS if key in content}
    return {key: value for key, value in content.items() if key not in known and key not in outer} | outer


def _show(character: str) -> str:
    return character if character.isprintable() else "\N{REPLACEMENT CHARACTER}"


def to_age(time: datetime | None, now: datetime) -> str:
    """Return how long ago a time was, in its largest unit."""
    if time is None:
        return UNKNOWN
    seconds = max(0, int((now.astimezone(UTC) - time.astimezone(UTC)).total_seconds()))
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"
