"""
What came of handling one message.
"""

from logging import DEBUG, ERROR, INFO, WARNING, getLogger
from types import SimpleNamespace

import pytest
from microcosm.errors import LockedGraphError
from microcosm_logging.formatters import ExtraConsoleFormatter

from microcosm_pubsub.constants import PUBLISHED_KEY
from microcosm_pubsub.context.log_records import MessageLogRecord
from microcosm_pubsub.errors import (
    DecodeError,
    HandlerTimeout,
    IgnoreMessage,
    MessageValidationError,
    Nack,
    SkipMessage,
    TTLExpired,
)
from microcosm_pubsub.message import SQSMessage
from microcosm_pubsub.result import MAX_ERROR_LENGTH, MessageHandlingResult, MessageHandlingResultType, describe


NOTHING = "The handler returned None, and not something truthy, as it must unless it is annotated with `-> None`"

SUCCEEDED, SKIPPED, IGNORED, EXPIRED, RETRIED, FAILED = MessageHandlingResultType

logger = getLogger("tests.result")


class Settler:
    def __init__(self):
        self.calls = []

    def ack(self, message):
        self.calls.append("ack")

    def nack(self, message, visibility_timeout_seconds=None):
        self.calls.append(("nack", visibility_timeout_seconds))


def make_message(settler=None, **opaque_data):
    return SQSMessage(settler, {"opaque_data": opaque_data, "number": 7}, "a/b", "m", "r")


def make_result(outcome, **more):
    return MessageHandlingResult("a/b", outcome, **more)


@pytest.mark.parametrize(
    ("outcome", "level", "retry", "exc_info"),
    [
        (SUCCEEDED, INFO, False, False),
        (SKIPPED, INFO, False, False),
        (IGNORED, DEBUG, False, False),
        (EXPIRED, WARNING, False, False),
        (RETRIED, INFO, True, False),
        (FAILED, ERROR, True, True),
    ],
)
def test_the_outcomes(outcome, level, retry, exc_info):
    assert (outcome.level, outcome.retry, outcome.exc_info) == (level, retry, exc_info)
    assert str(outcome) == outcome.name
    assert MessageHandlingResultType[outcome.name] is outcome


def raising(error):
    def handler(content):
        raise error

    return handler


ERROR_1 = RuntimeError("broken")


@pytest.mark.parametrize(
    ("handler", "outcome", "extra", "timeout", "calls"),
    [
        (lambda content: True, SUCCEEDED, {}, None, ["ack"]),
        (lambda content: content["number"] == 7, SUCCEEDED, {}, None, ["ack"]),
        (lambda content: "an id", SUCCEEDED, {}, None, ["ack"]),
        (lambda content: False, SKIPPED, {}, None, ["ack"]),
        (lambda content: None, SKIPPED, {"reason": NOTHING}, None, ["ack"]),
        (raising(SkipMessage("nothing new")), SKIPPED, {"reason": "nothing new"}, None, ["ack"]),
        (raising(IgnoreMessage("not ours", {"a": 1})), IGNORED, {"reason": "not ours", "a": 1}, None, ["ack"]),
        (raising(TTLExpired()), EXPIRED, {"reason": "TTL expired"}, None, ["ack"]),
        (raising(TTLExpired("mine")), EXPIRED, {"reason": "mine"}, None, ["ack"]),
        (raising(Nack(0)), RETRIED, {}, 0, [("nack", 0)]),
        (raising(Nack(30, "later", {"a": 1})), RETRIED, {"reason": "later", "a": 1}, 30, [("nack", 30)]),
        (raising(ERROR_1), FAILED, {}, None, [("nack", None)]),
    ],
)
def test_what_a_handler_does_is_a_result(handler, outcome, extra, timeout, calls):
    settler = Settler()
    message = make_message(settler)

    result = MessageHandlingResult.invoke(handler, message)

    assert (result.media_type, result.result, result.extra) == ("a/b", outcome, extra)
    assert result.retry_timeout_seconds == timeout
    assert result.retry is outcome.retry
    assert result.elapsed_time >= 0
    assert (result.exc_info is not None) is (outcome is FAILED)
    assert result.resolve(message) is result
    assert settler.calls == calls


def test_a_failure_keeps_its_error():
    result = MessageHandlingResult.invoke(raising(ERROR_1), make_message())

    exc_type, error, traceback = result.exc_info
    assert (exc_type, error) == (RuntimeError, ERROR_1)
    assert traceback is not None


def test_a_stop_is_no_result():
    with pytest.raises(KeyboardInterrupt):
        MessageHandlingResult.invoke(raising(KeyboardInterrupt()), make_message())


def test_from_result_and_from_error():
    assert MessageHandlingResult.from_result(make_message(), 1).result is SUCCEEDED
    assert MessageHandlingResult.from_result(make_message(), 0).result is SKIPPED
    assert MessageHandlingResult.from_error(make_message(), Nack(1)).result is RETRIED


@pytest.mark.parametrize(
    ("published", "waited"),
    [("90", 10.0), (90.5, 9.5), ("110", 0.0), ("yesterday", None), (None, None), ([], None), (10**400, None)],
)
def test_times(published, waited):
    ticks = iter([5.0, 5.25])

    result = MessageHandlingResult.capture(
        lambda message: True,
        make_message(**{PUBLISHED_KEY: published}),
        clock=lambda: next(ticks),
        now=lambda: 100.0,
    )

    assert result.elapsed_time == 250.0
    assert result.handle_start_time == waited


def test_one_log_line(caplog):
    caplog.set_level(DEBUG)
    result = make_result(SKIPPED, extra={"reason": "nothing new", "name": "clash"}, elapsed_time=1.5)

    result.log(logger, {"message_id": "m", "message": "clash", "taskName": "t"})

    (record,) = caplog.records
    assert (record.levelno, record.getMessage()) == (INFO, "SKIPPED: a/b (message m): nothing new")
    assert (record.message_id, record.media_type, record.result, record.elapsed_time) == ("m", "a/b", "SKIPPED", 1.5)
    # what a log record has already is not overwritten
    assert (record.name, record.name_, record.message_) == ("tests.result", "clash", "clash")
    assert record.exc_info is None


@pytest.mark.parametrize(
    ("error", "traceback"),
    [(ERROR_1, True), (DecodeError("not JSON"), False), (MessageValidationError({"a": ["bad"]}), False)],
)
def test_a_failure_is_logged_with_the_traceback_of_a_handler(caplog, error, traceback):
    MessageHandlingResult.from_error(make_message(), error).log(logger, {"message_id": "m"})

    (record,) = caplog.records
    assert record.levelno == ERROR
    assert record.getMessage().startswith(f"FAILED: a/b (message m): {type(error).__name__}: ")
    assert record.error == type(error).__name__
    assert (record.exc_info is not None) is traceback


def test_a_message_of_unknown_media_type(caplog):
    MessageHandlingResult(None, FAILED).log(logger, {"message_id": "m"})

    text = caplog.records[0].getMessage()
    assert "FAILED" in text
    assert "unknown media type" in text
    assert "message m" in text


def test_nothing_is_logged_below_the_level(caplog):
    caplog.set_level(INFO)

    make_result(IGNORED).log(logger)

    assert not caplog.records


class UnspeakableError(Exception):
    def __str__(self):
        raise ValueError("no text")


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ValueError(), "ValueError"),
        (UnspeakableError(), "UnspeakableError: (its text cannot be told, since its __str__ raises)"),
        (
            LockedGraphError("pubsub_rpc"),
            "LockedGraphError: the graph has no pubsub_rpc, and makes no more once it is locked: name it in the "
            "daemon's `components`",
        ),
        (ValueError("a\n  b"), "ValueError: a b"),
        (ValueError("x" * 999), f"ValueError: {'x' * MAX_ERROR_LENGTH}..."),
    ],
)
def test_describe(error, text):
    assert describe(error) == text


def test_error_reporting():
    reported = []

    class Reporter:
        def report(self, result, opaque):
            reported.append((result, opaque))

    result = make_result(FAILED)
    result.error_reporting(None, {})
    result.error_reporting(Reporter(), {"a": 1})

    assert reported == [(result, {"a": 1})]


def test_what_a_message_says_is_not_formatted():
    """The formatter of microcosm-logging formats a line once more, with the attributes of the record."""
    record = MessageLogRecord("microcosm_pubsub.dispatcher", INFO, "", 0, "%s", ("{levelno:>1000} %(args)s",), None)
    own = MessageLogRecord("orders", INFO, "", 0, "{levelno:>30}", (), None)
    formatter = ExtraConsoleFormatter("{message}")

    assert formatter.format(record) == "{levelno:>1000} %(args)s"
    assert formatter.format(own).endswith(" 20")


def test_a_traceback_begins_where_the_users_code_does(caplog):
    def fail(message):
        raise ValueError("broken")

    message = SQSMessage(consumer=None, content={}, media_type="x", message_id="1", receipt_handle=None)
    result = MessageHandlingResult.capture(fail, message)
    logger = getLogger("test-traceback")
    logger.setLevel(INFO)
    result.log(logger)
    logger.setLevel(DEBUG)
    result.log(logger)
    short, whole = (caplog.records[index].exc_info[2].tb_frame.f_code.co_name for index in (0, 1))
    assert (short, whole) == ("fail", "capture")
    assert "raise ValueError" in caplog.text


def test_the_task_that_failed_is_named_by_its_route():
    message = make_message()
    message.route = SimpleNamespace(name="images.resize")
    result = MessageHandlingResult.from_error(message, HandlerTimeout("too slow"))
    assert result.extra == {"method": "images.resize"}
