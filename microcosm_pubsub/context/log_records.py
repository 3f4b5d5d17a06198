"""
Log lines that say which message they belong to.

While a message is handled, every log record of that context (thread or task) carries the message's context as
attributes, as if each line had been written with it as `extra`. An explicit `extra` wins. The text of our line, which
may hold a message's text, is not formatted once more on its way out.
"""

from __future__ import annotations

from logging import LogRecord, getLogger, getLogRecordFactory, setLogRecordFactory
from typing import Any

from microcosm_logging.formatters import ExtraConsoleFormatter

from microcosm_pubsub.context.current import MESSAGES
from microcosm_pubsub.fast import PLAIN
from microcosm_pubsub.fast.log_records import PlaceRecord, QuickConsoleFormatter


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


BaseRecord: type[LogRecord] = LogRecord if PLAIN else PlaceRecord


class MessageLogRecord(BaseRecord):  # type: ignore[valid-type, misc]
    """
    A log record with the context of the message that was being handled when it was made.

    `Logger.makeRecord` refuses an `extra` whose key the record already has, so that the context must not
    be there before: it is looked up while formatters have not yet asked for the text, and joins the
    record's own attributes, which formatters list, when they do.
    """

    # It is a slot, so that formatters do not list it.
    __slots__ = ("_message_context",)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        messages = MESSAGES.get()
        self._message_context = messages[-1].context if messages else None
        super().__init__(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        if name != "_message_context" and self._message_context and name in self._message_context:
            return self._message_context[name]
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def getMessage(self) -> str:  # noqa: N802
        """Return the text, after the context has joined the record's attributes."""
        if self._message_context:
            for key, value in self._message_context.items():
                self.__dict__.setdefault(key, value)
        # LogRecord does the same, by another call for each line.
        text = str(self.msg) % self.args if self.args else str(self.msg)
        return FinishedText(text) if self.name.startswith(OUR_LOGGERS) else text


def install() -> None:
    """
    Make log records carry the context from now on, unless some other kind of record is in use.

    The console's formatter is replaced by one that is the same, but cheaper.
    """
    if getLogRecordFactory() is LogRecord:
        setLogRecordFactory(MessageLogRecord)
    if PLAIN:
        return
    for handler in getLogger().handlers:
        formatter: Any = handler.formatter
        if type(formatter) is ExtraConsoleFormatter:
            handler.setFormatter(QuickConsoleFormatter(formatter.format_string, OUR_LOGGERS))
