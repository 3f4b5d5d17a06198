"""
Choose messages of a dead-letter queue.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from re import fullmatch
from typing import Any

from microcosm_pubsub.dead_letters.letter import Letter
from microcosm_pubsub.errors import ConfigurationError


#: Stands for what a message does not tell.
UNKNOWN = "-"

UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


@dataclass(frozen=True, slots=True)
class Filter:
    """
    Choose messages for which all that is given holds.

    :param media_type: a pattern as of file names, such as `*.order`, or `-` for what does not tell
    :param error: the same, of the error's type
    :param handler: the same, of the handler's name
    :param since: given up at this time or later
    :param where: tells of a content whether it is wanted
    """

    media_type: str | None = None
    error: str | None = None
    handler: str | None = None
    since: datetime | None = None
    where: Callable[[Any], bool] | None = None

    @property
    def is_empty(self) -> bool:
        """Return whether it chooses everything."""
        return self == Filter()

    def __call__(self, letter: Letter) -> bool:
        """Return whether a message is wanted."""
        return (
            _matches(self.media_type, letter.media_type)
            and _matches(self.error, letter.error)
            and _matches(self.handler, letter.handler)
            and (self.since is None or (letter.died_at is not None and letter.died_at >= self.since))
            and (self.where is None or self.where(letter.plain_content))
        )


def _matches(pattern: str | None, value: str | None) -> bool:
    return pattern is None or fnmatchcase(value or UNKNOWN, pattern)


def parse_since(text: str, now: datetime) -> datetime:
    """
    Return the time that a text means: `90s`, `30m`, `6h` or `2d` before now, or a date and time of ISO 8601, in UTC
    unless it says otherwise.

    :raises ValueError: if it means none
    """
    if match := fullmatch(r"(\d{1,6})([smhd])", text):
        return now - timedelta(**{UNITS[match[2]]: int(match[1])})
    time = datetime.fromisoformat(text)
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time


def parse_where(text: str) -> Callable[[Any], bool]:
    """
    Return a function that says whether a JSONPath finds something in a content.

    A path that begins with a filter (`$[?(@.uri == "...")]`) is asked about the content as a whole.

    :raises ConfigurationError: if it is no JSONPath
    """
    from jsonpath_ng.exceptions import JSONPathError
    from jsonpath_ng.ext.parser import parse

    try:
        path = parse(text)
    except JSONPathError as error:
        raise ConfigurationError(f"{text!r} is no JSONPath: {error}; write it like $.order.id") from error
    of_whole = text.replace(" ", "").startswith("$[?")
    return lambda content: bool(path.find([content] if of_whole else content))
