"""
Log records and console lines in a fraction of the time, for there is a line for every message.

Half of what a record costs is to find out where it comes from, in words: file, module, process. Records of one place in
the code take that from the first, unless there is something special about them.
"""

from __future__ import annotations

import os
from asyncio import _get_running_loop
from logging import LogRecord
from threading import current_thread, get_ident
from time import strftime, time
from typing import Any

from microcosm_logging.formatters import ExtraConsoleFormatter


#: The attributes that all records of a place in the code share, as its first record has them.
_known: dict[tuple[Any, ...], dict[str, Any]] = {}

#: At most this many places are remembered: a program may make loggers without number.
MAX_PLACES = 1000

if hasattr(os, "register_at_fork"):
    # A child is another process, and its records must say so.
    os.register_at_fork(after_in_child=_known.clear)


class PlaceRecord(LogRecord):
    """A log record that takes the facts about its place in the code from an earlier record of that place."""

    def __init__(
        self,
        name: str,
        level: int,
        pathname: str,
        lineno: int,
        msg: object,
        args: Any,
        exc_info: Any,
        func: str | None = None,
        sinfo: str | None = None,
        **kwargs: Any,
    ) -> None:
        # A single argument may be a mapping, which is formatted in another way; and in a running loop the task's name
        # is asked for.
        special = exc_info or sinfo or kwargs or (args and len(args) == 1) or _get_running_loop() is not None
        place = (name, level, pathname, lineno, func)
        known = _known.get(place)
        if special or known is None:
            super().__init__(name, level, pathname, lineno, msg, args, exc_info, func, sinfo, **kwargs)
            if not special:
                remember(place, self)
            return
        now = time()
        attributes = self.__dict__
        attributes.update(known)
        attributes["msg"], attributes["args"], attributes["created"] = msg, args, now
        attributes["msecs"] = int((now - int(now)) * 1000) + 0.0
        attributes["relativeCreated"] += (now - known["created"]) * 1000
        if known["thread"] is not None:
            attributes["thread"], attributes["threadName"] = get_ident(), current_thread().name


def remember(place: tuple[Any, ...], record: LogRecord) -> None:
    """Let later records of a place take the facts about that place from a record."""
    if len(_known) >= MAX_PLACES:
        _known.clear()
    _known[place] = dict(record.__dict__)


class QuickConsoleFormatter(ExtraConsoleFormatter):  # type: ignore[misc]
    """
    Write the lines of `ExtraConsoleFormatter`; those of some loggers in a fraction of its time.

    The work for a second formatting of the text is left out for them: their text must not be formatted again.

    :param format_string: how a line looks
    :param prefix: the loggers whose names begin so
    """

    def __init__(self, format_string: str, prefix: str) -> None:
        super().__init__(format_string)
        self.prefix = prefix
        self._second: tuple[int, str] = (0, "")

    def format(self, record: LogRecord) -> str:
        """Return the line, or lines, of a record."""
        if not record.name.startswith(self.prefix):
            return str(super().format(record))
        line: str = self.format_safely(
            self.format_string,
            asctime=self.formatTime(record),
            name=record.name,
            levelname=record.levelname,
            message=record.getMessage(),
        )
        if record.exc_info:
            line = line.removesuffix("\n") + "\n" + self.formatException(record.exc_info)
        return line

    def formatTime(self, record: LogRecord, datefmt: str | None = None) -> str:  # noqa: N802
        """Return the time of day of a record, put into words once a second."""
        if datefmt or not self.default_msec_format:
            return str(super().formatTime(record, datefmt))
        second, text = self._second
        if second != int(record.created):
            second = int(record.created)
            text = strftime(self.default_time_format, self.converter(second))
            # Assign both at once: handlers that share a formatter take no common lock.
            self._second = (second, text)
        return str(self.default_msec_format % (text, record.msecs))
