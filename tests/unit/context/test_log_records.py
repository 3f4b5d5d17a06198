"""
Log lines that say which message they belong to.
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from logging import (
    ERROR,
    INFO,
    Formatter,
    Handler,
    LogRecord,
    StreamHandler,
    getLogger,
    getLogRecordFactory,
    makeLogRecord,
    setLogRecordFactory,
)
from pickle import dumps, loads
from subprocess import run
from sys import exc_info, executable
from time import gmtime

import pytest
from microcosm_logging.formatters import ExtraConsoleFormatter

from microcosm_pubsub.context import handling, log_records
from microcosm_pubsub.context.log_records import OUR_LOGGERS, MessageLogRecord
from microcosm_pubsub.fast import PLAIN
from microcosm_pubsub.fast.log_records import MAX_PLACES, QuickConsoleFormatter, _known
from microcosm_pubsub.message import SQSMessage


FORMATS = [
    "{asctime} - {name} - [{levelname}] - {message}",
    "%(levelname)s 100%% %(message)s",
    "{message} {unknown}",
    "{message}\n",
]


def make(**context):
    return SQSMessage(None, {}, "a/b", "m", "r", context=context)


@pytest.fixture
def factory():
    """Log records are as they were after a test."""
    before = getLogRecordFactory()
    setLogRecordFactory(LogRecord)
    log_records.install()
    yield
    setLogRecordFactory(before)


@pytest.mark.usefixtures("factory")
def test_log_lines_carry_the_context(caplog):
    logger = getLogger("tests.log_context")

    with handling(make(message_id="m", args="clash")):
        logger.warning("within %s", 1)
        logger.warning("extra wins", extra={"message_id": "mine"})
        with handling(make(message_id="inner")):
            logger.warning("nested")
    logger.warning("after")

    within, extra, nested, after = caplog.records
    assert isinstance(within, MessageLogRecord)
    assert (within.getMessage(), within.message_id, within.args) == ("within 1", "m", (1,))
    assert (extra.message_id, nested.message_id) == ("mine", "inner")
    assert not hasattr(after, "message_id")


@pytest.mark.usefixtures("factory")
def test_a_formatter_may_ask_before_the_text_is_made():
    with handling(make(message_id="m")):
        record = getLogger("tests.log_context").makeRecord("n", 20, "f", 1, "hi", (), None)

    assert record.message_id == "m"
    assert Formatter("%(message_id)s %(message)s").format(record) == "m hi"
    assert vars(record)["message_id"] == "m"
    with pytest.raises(AttributeError, match="nothing"):
        _ = record.nothing


RECORDS = {
    "a text": ("text", ()),
    "arguments": ("%s of %s", ("one", 2)),
    "one argument": ("%s", ("one",)),
    "a mapping": ("%(name)s", ({"name": "value"},)),
    "an empty mapping": ("%s", ({},)),
    "no text": (KeyError("x"), ()),
}


@pytest.mark.parametrize("kind", RECORDS)
@pytest.mark.parametrize("more", [{}, {"exc_info": (ValueError, ValueError("x"), None)}, {"sinfo": "Stack (...)"}])
def test_a_record_says_what_any_record_says(kind, more):
    """The first of its place, and those that follow it; here, in another thread, and in a task."""
    msg, args = RECORDS[kind]

    def make(cls, level=INFO, func="work"):
        exc_info, sinfo = more.get("exc_info"), more.get("sinfo")
        return cls(f"logger of {kind}", level, "/a/folder/module.py", 7, msg, args, exc_info, func, sinfo)

    def compare():
        for level in (INFO, ERROR):
            ours, theirs = make(MessageLogRecord, level), make(LogRecord, level)
            assert list(vars(ours)) == list(vars(theirs))
            for name, value in vars(theirs).items():
                if name in ("created", "msecs", "relativeCreated"):
                    assert type(getattr(ours, name)) is type(value)
                else:
                    assert getattr(ours, name) == value, name
            assert ours.getMessage() == theirs.getMessage()
            assert abs(ours.created - theirs.created) < 60
            assert ours.msecs == int(ours.created % 1 * 1000)
            # since the program began
            began = (ours.created - ours.relativeCreated / 1000, theirs.created - theirs.relativeCreated / 1000)
            assert abs(began[0] - began[1]) < 0.01

    async def compare_in_task():
        compare()

    with ThreadPoolExecutor(1, "elsewhere") as pool:
        for _ in range(2):
            compare()
            pool.submit(compare).result()
            asyncio.run(compare_in_task())


FORK = """
import os
from logging import INFO

from microcosm_pubsub.context.log_records import MessageLogRecord


def make():
    return MessageLogRecord("forked", INFO, "/a/module.py", 7, "text", (), None)


assert make().process == make().process == os.getpid()
child = os.fork()
if child == 0:
    os._exit(0 if make().process == os.getpid() else 1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
"""


def test_a_child_asks_anew_where_its_lines_come_from():
    run([executable, "-c", FORK], check=True)


def test_places_are_not_remembered_without_number():
    for number in range(MAX_PLACES + 10):
        MessageLogRecord("numbered", INFO, f"/a/module{number}.py", 7, "text", (), None)

    assert len(_known) <= MAX_PLACES


@pytest.mark.usefixtures("factory")
def test_a_record_can_be_copied_and_pickled():
    with handling(make(message_id="m")):
        record = getLogger("tests.log_context").makeRecord("n", 20, "f", 1, "hi", (), None)

    assert copy(record).message_id == "m"
    assert loads(dumps(record)).message_id == "m"


def test_other_kinds_of_records_are_left_alone():
    class Other(LogRecord):
        pass

    before = getLogRecordFactory()
    setLogRecordFactory(Other)
    try:
        log_records.install()
        assert getLogRecordFactory() is Other
    finally:
        setLogRecordFactory(before)


def failed():
    try:
        raise ValueError("no")
    except ValueError:
        return exc_info()


def make_record(name, text, *args, **more):
    record = MessageLogRecord(name, more.pop("level", INFO), "", 0, text, args, more.pop("exc_info", None))
    vars(record).update(more)
    return record


@pytest.mark.parametrize("format_string", FORMATS)
@pytest.mark.parametrize(
    "record",
    [
        make_record("microcosm_pubsub.dispatcher", "%s: %s", "SUCCEEDED", "a/b", result="SUCCEEDED"),
        make_record("microcosm_pubsub.dispatcher", "%s", "{levelno:>1000} %(levelno)s {0} {"),
        make_record("microcosm_pubsub.worker", "broken", level=ERROR, exc_info=failed()),
        make_record("orders", "{levelno:>30} %s", 1),
        make_record("orders", "of {customer}", customer="Ann"),
        make_record("orders", "broken", level=ERROR, exc_info=failed()),
        make_record("orders", {"a": "{levelno}"}),
        makeLogRecord({"name": "orders", "created": 1e9, "msecs": 7.0, "msg": "long ago"}),
    ],
    ids=lambda record: f"{record.name}-{record.msg}",
)
def test_the_console_says_what_it_said(format_string, record):
    quick = QuickConsoleFormatter(format_string, OUR_LOGGERS)
    assert quick.format(record) == ExtraConsoleFormatter(format_string).format(record)


def test_what_a_record_of_ours_says_is_not_formatted_whatever_its_kind():
    record = LogRecord("microcosm_pubsub.dispatcher", INFO, "", 0, "%s", ("{levelno:>1000}",), None)

    assert QuickConsoleFormatter("{message}", OUR_LOGGERS).format(record) == "{levelno:>1000}"


def test_the_time_is_told_to_the_millisecond():
    formatter, other = QuickConsoleFormatter("{asctime}", OUR_LOGGERS), Formatter()
    times = [1e9, 1e9 + 0.25, 1e9 + 1.5, 1e9 + 0.75, 1e9 + 3600]
    records = [makeLogRecord({"created": time, "msecs": time % 1 * 1000}) for time in times]

    assert [formatter.formatTime(record) for record in records] == [other.formatTime(record) for record in records]
    assert formatter.formatTime(records[0], "%Y") == "2001"

    utc = QuickConsoleFormatter("{asctime}", OUR_LOGGERS)
    utc.converter = gmtime
    assert utc.formatTime(records[1]) == "2001-09-09 01:46:40,250"
    utc.default_msec_format = None
    assert utc.formatTime(records[1]) == "2001-09-09 01:46:40"


@pytest.mark.usefixtures("factory")
def test_the_formatter_of_the_console_is_exchanged_and_no_other():
    class Own(ExtraConsoleFormatter):
        pass

    formatters = [ExtraConsoleFormatter("{message}!"), Own("{message}"), Formatter(), None]
    handlers: list[Handler] = [StreamHandler() for _ in formatters]
    root = getLogger()
    for handler, formatter in zip(handlers, formatters, strict=True):
        handler.setFormatter(formatter)
        root.addHandler(handler)
    try:
        log_records.install()
        first = handlers[0].formatter
        log_records.install()
    finally:
        for handler in handlers:
            root.removeHandler(handler)

    expected = ExtraConsoleFormatter if PLAIN else QuickConsoleFormatter
    assert (type(first), first.format_string) == (expected, "{message}!")
    assert [handler.formatter for handler in handlers] == [first, *formatters[1:]]
