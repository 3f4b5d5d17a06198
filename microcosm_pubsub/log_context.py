"""
Log lines that say which message they belong to.

While a message is handled, every log record of that context (thread or task) carries the message's
context as attributes, as if each line had been written with it as `extra`. An explicit `extra` wins.
What a line of ours says, which may be what a message says, is not formatted once more on its way out.
"""

from __future__ import annotations

import os
from asyncio import _get_running_loop
from logging import LogRecord, getLogger, getLogRecordFactory, setLogRecordFactory
from threading import current_thread, get_ident
from time import strftime, time
from typing import Any

from microcosm_logging.formatters import ExtraConsoleFormatter

from microcosm_pubsub.context import current_messages_or_none


OUR_LOGGERS = "microcosm_pubsub"


class FinishedText(str):
    """
    Text that is not formatted any more.

    microcosm-logging formats the text of a record once more, with the record's attributes. Ours says what messages say,
    such as their media types, which may come from anybody: `{levelno:>1000000000}` would take a gigabyte.
    """

    __slots__ = ()

    def __mod__(self, value: Any) -> str:
        return str(self)

    def format(self, *args: Any, **kwargs: Any) -> str:
        """Return the text as it is."""
        return str(self)


#: What the first record of each place in the code says that all records of it say.
_known: dict[tuple[Any, ...], dict[str, Any]] = {}

#: As many places are remembered; others log by `getLogger` names without number.
MAX_PLACES = 1000

if hasattr(os, "register_at_fork"):
    # a child is another process
    os.register_at_fork(after_in_child=_known.clear)


class MessageLogRecord(LogRecord):
    """
    A log record with the context of the message that was being handled when it was made.

    `Logger.makeRecord` refuses an `extra` whose key the record already has, so that the context must not
    be there before: it is looked up while formatters have not yet asked for the text, and joins the
    record's own attributes, which formatters list, when they do.

    There is a line for every message, and half of what a record costs is to find out where it comes from, in words:
    file, module, process. Records of one place take that from the first, unless there is something special about them.
    """

    # a slot, so that formatters do not list it
    __slots__ = ("_message_context",)

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
        messages = current_messages_or_none()
        self._message_context = messages[-1].context if messages else None
        # a single argument may be a mapping, which is something else; and a running loop has a task to be named
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

    def __getattr__(self, name: str) -> Any:
        if name != "_message_context" and self._message_context and name in self._message_context:
            return self._message_context[name]
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def getMessage(self) -> str:  # noqa: N802
        """Return the text, after the context has joined the record's attributes."""
        if self._message_context:
            for key, value in self._message_context.items():
                self.__dict__.setdefault(key, value)
        text = super().getMessage()
        return FinishedText(text) if self.name.startswith(OUR_LOGGERS) else text


def remember(place: tuple[Any, ...], record: LogRecord) -> None:
    """Let later records of a place take from one what it says of that place."""
    if len(_known) >= MAX_PLACES:
        _known.clear()
    _known[place] = dict(record.__dict__)


class ConsoleFormatter(ExtraConsoleFormatter):  # type: ignore[misc]
    """
    Write what `ExtraConsoleFormatter` writes; lines of ours in a fraction of its time.

    There is one for every message. What is done for a second formatting, which `FinishedText` prevents, is left out.

    :param format_string: how a line looks
    """

    def __init__(self, format_string: str) -> None:
        super().__init__(format_string)
        self._second: tuple[int, str] = (0, "")

    def format(self, record: LogRecord) -> str:
        """Return the line, or lines, of a record."""
        if not record.name.startswith(OUR_LOGGERS):
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
            # both at once: handlers that share a formatter take no common lock
            self._second = (second, text)
        return str(self.default_msec_format % (text, record.msecs))


def install() -> None:
    """
    Make log records carry the context from now on, unless some other kind of record is in use.

    The console's formatter is replaced by one that is the same, but cheaper.
    """
    if getLogRecordFactory() is LogRecord:
        setLogRecordFactory(MessageLogRecord)
    for handler in getLogger().handlers:
        formatter: Any = handler.formatter
        if type(formatter) is ExtraConsoleFormatter:
            handler.setFormatter(ConsoleFormatter(formatter.format_string))
