"""
Functions whose calls are carried out elsewhere.
"""

import asyncio
import sys
from base64 import b64decode, b64encode
from bz2 import compress, decompress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from functools import partial
from inspect import Parameter
from json import dumps, loads
from logging import Logger
from subprocess import run
from typing import Literal, NewType
from uuid import UUID, uuid4

import pytest
from microcosm.api import binding

from microcosm_pubsub import (
    ConsumerDaemon,
    InvalidParams,
    Nack,
    RetryPolicy,
    SkipMessage,
    SNSProducer,
    SQSMessage,
    Task,
    TaskHooks,
    created,
    handles,
    hook,
    task,
)
from microcosm_pubsub.calls.errors import CallError
from microcosm_pubsub.calls.latest import _latest
from microcosm_pubsub.calls.parameters import Parameters
from microcosm_pubsub.errors import AlreadyRegisteredError, ConfigurationError, DeadLetter, HandlerError
from microcosm_pubsub.harness import harness


class Daemon(ConsumerDaemon):
    name = "worker"


class Color(Enum):
    RED = "red"


@dataclass
class Photo:
    path: str
    taken: date | None = None


class Retried(Exception):
    pass


@pytest.fixture
def calls():
    return []


def outcomes(results):
    return [result.result.name for result in results]


def test_a_function_stays_what_it_is(calls):
    @task
    def resize(image_id: int, width: int = 100) -> int:
        """Resize an image."""
        return image_id * width

    assert resize(2) == 200
    assert resize.__doc__ == "Resize an image."
    assert resize.name == f"{__name__}.test_a_function_stays_what_it_is.<locals>.resize"
    assert resize.queue == "default"
    assert "resize of queue default" in repr(resize)


def test_it_is_sent_and_run(calls):
    @task(name="images.resize", queue="images")
    def resize(image_id: int, width: int = 100):
        calls.append((image_id, width))

    with harness(Daemon) as app:
        handle = resize.send(12, width=200)
        assert calls == []
        assert outcomes(app.run()) == ["SUCCEEDED"]

        assert calls == [(12, 200)]
        assert handle.name == "images.resize"
        app.graph.pubsub_tasks.task(resize, 13)
        (message,) = app.queue
        body = loads(loads(message.body)["Message"])
        assert body["mediaType"] == "application/vnd.globality.pubsub._.created.task.images"
        assert (body["method"], body["params"]) == ("images.resize", {"image_id": 13})
        assert "id" not in body


def test_types_go_both_ways(calls):
    @task
    def keep(
        key: UUID,
        at: datetime,
        day: date,
        price: Decimal,
        data: bytes,
        color: Color,
        photo: Photo,
        many: list[Photo],
        free=None,
        *rest: int,
        **more: date,
    ):
        calls.append((key, at, day, price, data, color, photo, many, free, rest, more))

    given = (
        uuid4(),
        datetime.now(UTC),
        date(2026, 1, 2),
        Decimal("1.10"),
        b"\x00\xff",
        Color.RED,
        Photo("a", date(2025, 1, 1)),
        [Photo("b")],
        {"a": [1, None]},
        7,
        8,
    )
    with harness(Daemon) as app:
        keep.send(*given, then=date(2024, 1, 1))
        assert outcomes(app.run()) == ["SUCCEEDED"]

    assert calls == [(*given[:9], (7, 8), {"then": date(2024, 1, 1)})]


@pytest.mark.parametrize(
    ("args", "kwargs", "text"),
    [
        ((), {}, "missing a required argument: 'count'"),
        ((1, 2), {}, "too many positional arguments"),
        ((1,), {"other": 2}, "unexpected keyword argument 'other'"),
        (("x",), {}, "count"),
        ((1,), {"free": datetime.now(UTC)}, "free is a datetime, which cannot be written as JSON"),
        ((1,), {"free": object()}, "free is an object"),
        ((1,), {"free": {1, 2}}, "free is a set"),
    ],
)
def test_arguments_are_checked_at_once(calls, args, kwargs, text):
    @task
    def keep(count: int, *, free=None):
        calls.append(count)

    with harness(Daemon) as app:
        with pytest.raises(InvalidParams, match=text):
            keep.send(*args, **kwargs)
        assert app.queue == []


class Size(Enum):
    SMALL = 1
    LARGE = 2


class Point(Enum):
    ORIGIN = (0, 0)


class Rate(Enum):
    LOW = Decimal("0.1")


Key = NewType("Key", int)
NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (dict[int, str], {1: "a"}),
        (dict[Key, int], {Key(1): 2}),
        (dict[float, int], {1.5: 2}),
        (dict[date, int], {date(2026, 1, 2): 1}),
        (dict[Color, int], {Color.RED: 1}),
        (dict[Size, int], {Size.SMALL: 1}),
        (dict[str, dict[int, list[date]]], {"a": {1: [date(2026, 1, 2)]}}),
        (Size, Size.LARGE),
        (Point, Point.ORIGIN),
        (Rate, Rate.LOW),
        (date | datetime, NOON),
        (date | datetime, date(2026, 1, 2)),
        (datetime | date, date(2026, 1, 2)),
        (Decimal | float, 1.5),
        (int | bool, True),
        (float | int, 1),
        (UUID | str, "no id"),
        (list[date | datetime], [NOON, date(2026, 1, 2)]),
    ],
    ids=str,
)
def test_what_arrives_is_what_was_sent(calls, annotation, value):
    def keep(it): ...

    keep.__annotations__["it"] = annotation
    parameters = Parameters(keep)
    _, arrived = parameters.load(loads(dumps(parameters.dump((value,), {}))))
    assert (arrived["it"], type(arrived["it"])) == (value, type(value))


@pytest.mark.parametrize(
    ("annotation", "value", "text"),
    [
        (date, NOON, "it is a datetime, which would be sent as a date: give it one, or annotate it as a datetime"),
        (UUID | str, "7d6ee2e0-f526-46f9-b6ef-5d03a065bd58", "it is a str that would arrive as a UUID"),
        (str | bytes, b"x", "it is a bytes that would arrive as a str"),
        (dict, {1: 2}, r"it has the key 1, which JSON would make a text: annotate .*, such as dict\[int, ...\]"),
        (Parameter.empty, [{"a": {None: 2}}], "it has the key None"),
        (dict[tuple[int, int], int], {(1, 2): 3}, "it is a dict, which cannot be written as JSON"),
        (Color, "red", "it is a str, .*: its annotation says .*Color; give it that"),
        (object, {1, 2}, "it is a set, .*: annotate the parameter with its type"),
    ],
    ids=str,
)
def test_what_would_not_arrive_is_refused(annotation, value, text):
    def keep(it): ...

    if annotation is not Parameter.empty:
        keep.__annotations__["it"] = annotation
    with pytest.raises(InvalidParams, match=text):
        Parameters(keep).dump((value,), {})


def test_a_literal_that_json_cannot_say_is_refused_at_start_up():
    @task
    def paint(color: Literal[Color.RED]): ...

    with (
        pytest.raises(ConfigurationError, match=r"color: JSON cannot say <Color.RED: 'red'> of"),
        harness(Daemon),
    ):
        pass


def test_what_no_annotation_can_say_is_refused_at_start_up():
    @task
    def keep(what: memoryview):
        pass

    with (
        pytest.raises(ConfigurationError, match=r"keep: what: nothing is known that JSON could"),
        harness(Daemon),
    ):
        pass


def test_where_it_runs_it_is_given_more(calls):
    @task
    def look(number: int, message: SQSMessage, producer: SNSProducer, logger: Logger, own: Task, graph):
        calls.append((number, message.media_type, producer, logger.name, own.attempt, graph.metadata.name))

    with harness(Daemon) as app:
        app.graph.pubsub_tasks.task(look, 1)
        app.run()
        media_type = "application/vnd.globality.pubsub._.created.task.default"
        assert calls == [(1, media_type, app.graph.sns_producer, __name__, 1, "worker")]


def test_what_is_given_may_be_left_out_by_who_calls_it_directly(calls):
    @task
    def look(number: int, logger: Logger | None = None, own: "Task | None" = None):
        calls.append((number, logger and logger.name, own and own.attempt))

    look(1)
    with harness(Daemon) as app:
        look.send(2)
        app.run()
    assert calls == [(1, None, None), (2, __name__, 1)]


def test_data_may_have_the_names_of_what_is_given(calls):
    @task
    def draw(graph: dict, session: str):
        calls.append((graph, session))

    with harness(Daemon) as app:
        draw.send({"a": 1}, session="b")
        app.run()
    assert calls == [({"a": 1}, "b")]


def test_a_coroutine_function(calls):
    @task
    async def wait(number: int) -> int:
        await asyncio.sleep(0)
        calls.append(number)
        return number

    with harness(Daemon) as app:
        wait.send(3)
        assert outcomes(app.run()) == ["SUCCEEDED"]
        assert wait.options(is_async=False).send(4) == 4

    assert calls == [3, 4]


def make_generator():
    yield 1


async def make_async_generator():
    yield 1


async def give_coroutine():
    return asyncio.sleep(0)


@pytest.mark.parametrize("function", [make_generator, make_async_generator, lambda: asyncio.sleep(0), give_coroutine])
def test_work_that_nobody_would_do_has_failed(function, calls):
    work = task(name="undone", on_error=lambda task, error: calls.append(type(error).__name__))(function)

    with harness(Daemon) as app:
        work.send()
        assert outcomes(app.run()) == ["FAILED"]
    assert calls == ["HandlerError"]


class TestFailures:
    def test_its_own_retry_policy_counts(self, calls):
        @task(retry=RetryPolicy(max_attempts=2, backoff=0))
        def fail():
            calls.append(1)
            raise Retried

        @task(retry=RetryPolicy(give_up_on=Retried))
        def give_up():
            raise Retried

        with harness(Daemon) as app:
            fail.send()
            give_up.send()
            app.run()
            assert len(calls) == 2
            assert len(app.dead_letters) == 2

    def test_the_sender_may_want_fewer(self, calls):
        @task(retry=RetryPolicy(max_attempts=5, backoff=0))
        def fail():
            calls.append(1)
            raise Retried

        with harness(Daemon) as app:
            fail.options(retries=1).send()
            app.run()
            assert len(calls) == 2
            fail.options(retries=100).send()
            app.run()
            assert len(calls) == 2 + 5

    def test_signals_mean_what_they_mean_elsewhere(self, calls):
        @task
        def skip():
            raise SkipMessage("not now")

        @task
        def later():
            raise Nack(60)

        with harness(Daemon) as app:
            skip.send()
            later.send()
            assert sorted(outcomes(app.run())) == ["RETRIED", "SKIPPED"]
            (message,) = app.queue
            assert message.visible_at == app.clock() + 60

    def test_one_that_nobody_declared_is_given_up(self, calls):
        @task(name="gone")
        def known():
            calls.append("gone")

        with harness(Daemon) as app:
            known.send()
            (message,) = app.queue
            app.run()
            app.send(message.body.replace('\\"gone\\"', '\\"os.system\\"'))
            app.run()
            assert calls == ["gone"]
            assert len(app.dead_letters) == 1
            assert "No task 'os.system' is declared here" in app.describe()
            assert "or give it that name, if it has another one now: @task(name='os.system')" in app.describe()

    def test_one_whose_arguments_do_not_fit_is_given_up(self, calls):
        @task(name="number")
        def take(number: int):
            calls.append(number)

        with harness(Daemon) as app:
            take.send(1)
            (message,) = app.queue
            app.run()
            for params in ('{"number": "x"}', "{}", '{"number": 1, "other": 2}', "[1, 2]"):
                app.send(message.body.replace(dumps('{"number": 1}')[1:-1], dumps(params)[1:-1]))
            app.run()
            assert calls == [1]
            assert len(app.dead_letters) == 4

    def test_params_by_position(self, calls):
        @task(name="number")
        def take(first, second=2, *rest):
            calls.append((first, second, rest))

        with harness(Daemon) as app:
            take.send(1)
            (message,) = app.queue
            app.run()
            for params in ("[5]", "[5, 6, 7]"):
                app.send(message.body.replace(dumps('{"first": 1}')[1:-1], params))
            app.run()
        assert calls == [(1, 2, ()), (5, 2, ()), (5, 6, (7,))]


class TestHooks:
    def make(self, calls):
        return {
            "on_start": lambda task: calls.append(("start", task.attempt)),
            "on_success": lambda task, result: calls.append(("success", result)),
            "on_error": lambda task, error: calls.append(("error", type(error).__name__, task.retries)),
        }

    def test_of_a_task(self, calls):
        @task(retry=RetryPolicy(max_attempts=3, backoff=0), **self.make(calls))
        def work(times: int):
            if len(calls) < times:
                raise Retried
            return "done"

        with harness(Daemon) as app:
            work.send(4)
            app.run()

        assert calls == [
            ("start", 1),
            ("error", "Retried", 2),
            ("start", 2),
            ("error", "Retried", 1),
            ("start", 3),
            ("success", "done"),
        ]

    def test_of_a_task_that_would_end_the_program(self, calls):
        @task(retry=RetryPolicy(max_attempts=2, backoff=0), on_error=self.make(calls)["on_error"])
        def leave():
            raise SystemExit(3)

        with harness(Daemon) as app:
            leave.send()
            app.run()

        assert calls == [("error", "SystemExit", 1), ("error", "SystemExit", 0)]

    def test_of_a_daemon(self, calls):
        @task
        def work():
            return 1

        class HookedDaemon(Daemon):
            task_hooks = TaskHooks(**self.make(calls))

        with harness(HookedDaemon) as app:
            work.send()
            app.run()
        assert calls == [("start", 1), ("success", 1)]

    def test_of_a_call(self, calls):
        @hook
        def log_start(task):
            calls.append(("start", task.task_id))

        @task
        def work():
            pass

        with harness(Daemon) as app:
            with app.graph.pubsub_tasks.options(on_start=log_start, task_id="mine") as tasks:
                handle = tasks.task(work)
            app.run()
            assert calls == [("start", "mine")]
            assert handle.task_id == "mine"
            with pytest.raises(ConfigurationError, match=r"on_error is .*lambda.*, which workers do not know"):
                work.options(on_error=lambda task, error: None).send()

    def test_one_that_is_not_known_where_it_runs(self, calls):
        @hook
        def log_start(task):
            calls.append("start")

        @task
        def work():
            calls.append("work")

        with harness(Daemon) as app:
            work.options(on_start=log_start).send()
            app.graph.pubsub_task_registry.hooks.clear()
            assert outcomes(app.run()) == ["SUCCEEDED"]
        assert calls == ["work"]

    def test_one_that_raises_changes_nothing(self, calls):
        def fail(*args):
            raise RuntimeError("a hook")

        @task(on_start=fail, on_success=fail, on_error=fail)
        def work():
            calls.append("work")

        with harness(Daemon) as app:
            work.send()
            assert outcomes(app.run()) == ["SUCCEEDED"]
            (handler,) = app.graph.pubsub_tasks.handlers.values()
            assert handler.failed_hooks == {"on_start": 1, "on_success": 1}
            assert "The hook on_start of <Task" in app.describe()
        assert calls == ["work"]

    @pytest.mark.parametrize("error", [SystemExit(3), GeneratorExit(), asyncio.CancelledError()], ids=repr)
    def test_one_that_would_end_the_program_changes_nothing(self, calls, error):
        def leave(*args):
            raise error

        @task(on_start=leave, on_success=leave)
        def work():
            calls.append("work")

        with harness(Daemon) as app:
            work.send()
            assert outcomes(app.run()) == ["SUCCEEDED"]
        assert calls == ["work"]

    @pytest.mark.parametrize(
        ("error", "retries"), [(Retried(), 4), (ValueError(), 0), (DeadLetter("no"), 0), (Nack(0), 4)], ids=repr
    )
    def test_on_error_knows_what_is_not_tried_again(self, calls, error, retries):
        hook = self.make(calls)["on_error"]

        @task(retry=RetryPolicy(max_attempts=5, backoff=60, retry_on=Retried), on_error=hook)
        def work():
            raise error

        with harness(Daemon) as app:
            work.send()
            app.graph.sqs_message_dispatcher.handle_batch(app.daemon.bound_handlers)
        assert calls == [("error", type(error).__name__, retries)]

    def test_of_a_task_that_was_abandoned(self, calls):
        @task(**self.make(calls))
        def work(message: SQSMessage):
            message.lease.lose("its handler was abandoned")
            return "late"

        with harness(Daemon) as app:
            work.send()
            app.run()
        assert calls[0] == ("start", 1)
        assert [each[:2] for each in calls[1:]] == [("error", "LeaseLost")]

    def test_of_a_coroutine_that_was_cancelled(self, calls):
        @task(retry=RetryPolicy(max_attempts=1), **self.make(calls))
        async def work():
            raise asyncio.CancelledError

        with harness(Daemon) as app:
            work.send()
            assert outcomes(app.run()) == ["FAILED"]
        assert [each[:2] for each in calls] == [("start", 1), ("error", "HandlerError")]

    def test_those_that_cannot_be_called(self):
        with pytest.raises(ConfigurationError, match="@hook is give_coroutine, a coroutine function"):
            hook(give_coroutine)

        class WrongDaemon(Daemon):
            task_hooks = TaskHooks(on_error=lambda task: None)

        with (
            pytest.raises(ConfigurationError, match=r"on_error is .*, but must be a function that takes \(task, error"),
            harness(WrongDaemon),
        ):
            pass

    def test_on_error_may_ask_for_another_attempt(self, calls):
        def once_more(task, error):
            calls.append(task.attempt)
            if task.attempt < 3:
                task.retries += 1

        @task(on_error=once_more, retry=RetryPolicy(backoff=0))
        def fail():
            raise Retried

        with harness(Daemon) as app:
            fail.options(retries=0).send()
            app.run()
            assert calls == [1, 2, 3]
            assert len(app.dead_letters) == 1


class TestHereAndNow:
    def test_it_returns_its_value(self, calls):
        @task
        def add(one: int, at: datetime):
            return one + 1, at

        at = datetime.now(UTC)
        with harness(Daemon) as app:
            assert add.options(is_async=False).send(1, at) == (2, at)
            assert app.queue == []

    def test_it_has_its_hooks_and_its_retries(self, calls):
        @task(on_error=lambda task, error: calls.append(task.attempt))
        def fail():
            raise Retried

        with harness(Daemon):
            with pytest.raises(Retried):
                fail.options(is_async=False, retries=2, on_start=lambda task: calls.append("start")).send()
            assert calls == ["start", 1, "start", 2, "start", 3]
            calls.clear()
            with pytest.raises(Retried):
                fail.options(is_async=False).send()
            assert calls == [1]

    def test_it_has_the_hooks_of_the_daemon_too(self, calls):
        @task(on_start=lambda task: calls.append("task"))
        def work():
            return 1

        class HookedDaemon(Daemon):
            task_hooks = TaskHooks(on_start=lambda task: calls.append("daemon"))

        with harness(HookedDaemon):
            assert work.options(is_async=False, on_start=lambda task: calls.append("call")).send() == 1
        assert calls == ["task", "call", "daemon"]

    def test_one_that_never_begins_is_given_up(self, calls):
        def refuse(call_next, message):
            calls.append(message.approximate_receive_count)
            raise Retried

        @task(middleware=[refuse])
        def work(): ...

        with harness(Daemon):
            with pytest.raises(Retried):
                work.options(is_async=False).send()
            with pytest.raises(Retried):
                work.options(is_async=False, retries=2).send()
        assert calls == [1, 1, 2, 3]

    def test_a_coroutine_cannot_wait_for_another(self, calls):
        @task
        async def inner():
            return 1

        @task
        async def outer(in_thread: bool):
            send = inner.options(is_async=False).send
            return await asyncio.to_thread(send) if in_thread else send()

        with harness(Daemon):
            assert outer.options(is_async=False).send(True) == 1
            with pytest.raises(HandlerError, match=r"await asyncio.to_thread\(...\)"):
                outer.options(is_async=False).send(False)

    def test_one_that_is_put_off_is_given_up(self, calls):
        @task
        def later():
            raise Nack(60, reason="busy")

        with harness(Daemon), pytest.raises(CallError, match="given up after 1 attempts: busy"):
            later.options(is_async=False).send()


class SkinnyTask(Task):
    """Write the arguments in less space."""

    def serialize(self):
        return {"bz2": b64encode(compress(dumps(super().serialize()).encode())).decode()}

    def deserialize(self, params):
        super().deserialize(loads(decompress(b64decode(params["bz2"]))))


def test_a_class_of_tasks_may_write_arguments_in_its_own_way(calls):
    @task(task_class=SkinnyTask)
    def store(text: str, own: SkinnyTask):
        calls.append((text, type(own)))

    with harness(Daemon) as app:
        store.send("a" * 10_000)
        assert len(app.queue[0].body) < 2000
        app.run()
        assert calls == [("a" * 10_000, SkinnyTask)]
        assert store.options(is_async=False).send("b") is None


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("text", r"OddTask.serialize\(\) of odd gave a str, but must give a dict or a list"),
        ({"at": NOON}, r"OddTask.serialize\(\) of odd gave what cannot be written as JSON: "),
    ],
    ids=str,
)
@pytest.mark.parametrize("is_async", [True, False])
def test_a_class_of_tasks_that_writes_what_json_cannot_say(value, text, is_async):
    class OddTask(Task):
        def serialize(self):
            return value

    OddTask.__qualname__ = "OddTask"

    @task(name="odd", task_class=OddTask)
    def work(): ...

    with harness(Daemon), pytest.raises(InvalidParams, match=text):
        work.options(is_async=is_async).send()


class TestQueues:
    @pytest.fixture
    def tasks(self, calls):
        @task(name="mail", queue="mails")
        def mail():
            calls.append("mail")

        @task(name="image", queue="images")
        def image():
            calls.append("image")

        return mail, image

    def run(self, daemon_cls, tasks):
        with harness(daemon_cls) as app:
            for each in tasks:
                each.send()
            app.run()
            return len(app.queue)

    def test_all_by_default(self, calls, tasks):
        self.run(Daemon, tasks)
        assert calls == ["mail", "image"]

    def test_those_that_are_named(self, calls, tasks):
        class MailDaemon(Daemon):
            task_queues = ["mails"]

        self.run(MailDaemon, tasks)
        assert calls == ["mail"]

    def test_none_for_a_daemon_that_only_sends(self, calls, tasks):
        class SendingDaemon(Daemon):
            task_queues = []

        assert self.run(SendingDaemon, tasks) == 0
        with harness(SendingDaemon) as app:
            assert app.graph.pubsub_tasks.handlers == {}
        assert calls == []

    def test_beside_handlers_that_are_named(self, calls, tasks):
        class Unnamed:
            pass

        @handles("application/vnd.acme.other")
        def other(content):
            return True

        class BothDaemon(Daemon):
            task_queues = ["images"]

        self.run(BothDaemon, tasks)
        assert calls == ["image"]

    def test_one_without_tasks(self, tasks):
        class WrongDaemon(Daemon):
            task_queues = ["letters"]

        no_task = "No task is declared for queue letters; there are images, mails"
        with pytest.raises(ConfigurationError, match=no_task), harness(WrongDaemon):
            pass


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"retry": 3}, "retry is 3, but must be a RetryPolicy"),
        ({"batch_size": 3}, "a task is one call, and has no batch_size"),
        ({"queue": "Mails!"}, "The queue is named 'Mails!'"),
        (
            {"retris": 3},
            "there is no option retris; the options are name, queue, .*, timeout_seconds, retry, middleware",
        ),
        ({"name": ""}, "the name is ''"),
        ({"name": 3}, "the name is 3"),
        ({"name": "x" * 257}, "the name is 'xxx.*, but must be a text of 1 to 256 characters"),
        ({"task_class": dict}, "task_class is <class 'dict'>, but must be Task or a subclass"),
        ({"on_start": "log"}, "on_start is 'log', but must be a function"),
        ({"on_error": lambda task: None}, r"on_error is .*lambda.*, but must be a function that takes \(task, error\)"),
        ({"on_success": give_coroutine}, "on_success is give_coroutine, a coroutine function, for which nobody waits"),
    ],
)
def test_declarations_that_cannot_be(options, text):
    with pytest.raises(ConfigurationError, match=f"@task of .*work: {text}"):

        @task(**options)
        def work():
            pass


class Mailer:
    def send(self, address: str): ...

    def __call__(self, address: str): ...


@pytest.mark.parametrize(
    ("function", "text"),
    [
        ("images.resize", r"a task is a function, and this is a str; options are given by name: @task\(name=...\)"),
        (3, "this is an int"),
        (Mailer, "@task of Mailer: a task is a function, and this is a type"),
        (Mailer(), "this is a Mailer"),
        (partial(print, "x"), "this is a partial"),
        (classmethod(lambda cls: None), "this is a classmethod"),
        (Mailer.send, "a method of Mailer is no task, for its self does not travel: declare a function, or a static"),
    ],
)
def test_what_is_no_function(function, text):
    with pytest.raises(ConfigurationError, match=text):
        task(function)


@pytest.mark.parametrize(
    ("declared", "said"),
    [
        ("@task(retry=3)\ndef work(): ...\n", "@task of work: retry is 3, but must be a RetryPolicy"),
        (
            "@tasks('echo', retry=3)\nclass Echo:\n    def execute(self, job): ...\n",
            "@tasks of Echo: retry is 3, but must be a RetryPolicy",
        ),
        (
            "@tasks('echo')\nclass Echo:\n    pass\n",
            "@tasks of Echo: it runs the tasks of echo, and needs a method execute(self, job)",
        ),
    ],
)
def test_a_program_with_a_wrong_declaration_ends_with_one_line(tmp_path, declared, said):
    (tmp_path / "wrong.py").write_text(f"from microcosm_pubsub import task, tasks\n\n{declared}")
    found = run([sys.executable, "wrong.py"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert found.stderr == f"Cannot start: {said}\n"
    assert found.returncode == 1


class Static:
    @task(name="outer")
    @staticmethod
    def outer(number: int) -> int:
        return number + 1

    @staticmethod
    @task(name="inner")
    def inner(number: int) -> int:
        return number + 2


def test_static_methods_and_methods_of_an_instance(calls):
    mailer = Mailer()
    bound = task(name="bound")(mailer.send)
    task(name="outer")(Static.outer.function)

    assert (Static.outer(1), Static().outer(1), Static.inner(1), Static().inner(1)) == (2, 2, 3, 3)
    with harness(Daemon):
        assert Static.outer.options(is_async=False).send(1) == 2
        assert bound.options(is_async=False).send("a@example.com") is None


def test_parameters_may_have_any_names(calls):
    @task
    def keep(**labels: int):
        calls.append(labels)

    with harness(Daemon) as app:
        keep.send(self=1, function=2, args=3)
        keep.options(retries=1).send(self=4)
        app.run()
        keep(self=5)
    assert calls == [{"self": 1, "function": 2, "args": 3}, {"self": 4}, {"self": 5}]


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"retries": -1}, "retries is -1"),
        ({"is_async": 1}, "is_async is 1"),
        ({"task_id": ""}, "task_id is ''"),
        ({"task_id": "x" * 200}, "task_id is"),
        ({"on_start": 3}, "on_start is 3, but must be a function"),
        ({"is_async": False, "delay_seconds": 3}, "here and now"),
        ({"delay_seconds": 3}, "SNS has no delay"),
        ({"delay_seconds": "3"}, "delay_seconds is '3'"),
        ({"at": datetime(2026, 1, 1)}, "a time without a zone"),
        ({"group_id": 3}, "group is 3"),
        ({"group_id": "a b"}, "group is 'a b', but must be 1 to 128 ASCII letters, digits and punctuation"),
        ({"retris": 3}, "there is no option retris; the options are is_async, retries"),
    ],
)
def test_options_that_cannot_be(options, text):
    @task
    def work():
        pass

    with harness(Daemon), pytest.raises(ConfigurationError, match=text):
        work.options(**options).send()


def test_options_are_checked_at_once_and_may_be_added_to(calls):
    @task
    def work():
        calls.append(1)

    with pytest.raises(ConfigurationError, match="there is no option retris"):
        work.options(retris=3)
    prepared = work.options(retries=1)
    with pytest.raises(ConfigurationError, match="retries is -1"):
        prepared.options(retries=-1)
    with harness(Daemon):
        assert prepared.options(task_id="mine").send().task_id == "mine"
        assert prepared.send().task_id != "mine"


def test_two_functions_of_one_name():
    @task(name="same")
    def one():
        pass

    @task(name="same")
    def two():
        pass

    with pytest.raises(AlreadyRegisteredError, match=r"Task same is .*one; .*two needs another"), harness(Daemon):
        pass


def test_a_function_that_is_no_task():
    with harness(Daemon) as app:
        with pytest.raises(ConfigurationError, match="len is no task: declare it with @task"):
            app.graph.pubsub_tasks.task(len, [])
        with pytest.raises(CallError, match=r"No task 'x' is declared .*: import the module .*; there are none"):
            app.graph.pubsub_tasks.find_function("x")


def test_without_a_graph(monkeypatch):
    @task
    def work():
        pass

    monkeypatch.setattr("microcosm_pubsub.calls.latest._latest", [])
    assert _latest is not None
    with pytest.raises(ConfigurationError, match=r"graph.use\('pubsub_tasks'\)"):
        work.send()


def test_on_fifo_queues_it_waits_for_no_other_unless_it_is_told_to(calls):
    @task
    def work(number: int):
        if number == 0:
            raise Retried
        calls.append(number)

    with harness(Daemon, fifo=True) as app:
        for number in range(3):
            work.send(number)
        assert len({message.group_id for message in app.queue}) == 3
        app.run()
    assert calls == [1, 2]


def test_an_id_of_any_characters_is_a_group_of_its_own(calls):
    @task
    def work():
        calls.append(1)

    with harness(Daemon, fifo=True) as app:
        assert work.options(task_id="façade 1").send().task_id == "façade 1"
        (message,) = app.queue
        assert message.group_id == "fa%C3%A7ade%201"
        assert outcomes(app.run()) == ["SUCCEEDED"]


def test_log_lines_name_it(calls):
    @task(name="mails.send")
    def send_mail():
        raise Retried("no")

    with harness(Daemon) as app:
        sent = send_mail.send()
        (result,) = app.graph.sqs_message_dispatcher.handle_batch(app.daemon.bound_handlers)
        assert result.extra["method"] == "mails.send"
        told = f"FAILED: application/vnd.globality.pubsub._.created.task.default mails.send {sent.task_id} (message "
        assert told in app.describe()


def test_it_has_the_groups_of_fifo_queues(calls):
    @task
    def work(number: int):
        calls.append(number)

    with harness(Daemon, fifo=True) as app:
        for number in range(5):
            work.options(group_id="a").send(number)
        assert {message.group_id for message in app.queue} == {"a"}
        app.run()
    assert calls == list(range(5))


class TestComponents:
    @pytest.fixture
    def component(self, calls):
        @task(name="components.one")
        def one() -> None:
            calls.append("one")

        @task(name="components.two")
        def two() -> None:
            calls.append("two")

        # a name is bound once in a process
        name = f"handler_{uuid4().hex}"

        @binding(name)
        @handles(created("component"))
        class Handler:
            def __init__(self, graph): ...

            def __call__(self, content) -> bool:
                return True

        return name

    @pytest.mark.parametrize(
        ("components", "expected"),
        [
            (["components.one"], ["one"]),
            (["components.one", "HANDLER"], ["handler", "one"]),
            (["HANDLER"], ["handler"]),
            ([], ["handler", "one", "two"]),
        ],
    )
    def test_a_daemon_runs_the_tasks_and_handlers_that_it_names(self, component, components, expected):
        class NamingDaemon(Daemon):
            pass

        if components:
            NamingDaemon.components = [component if name == "HANDLER" else name for name in components]
        with harness(NamingDaemon) as app:
            bound = app.daemon.bound_handlers
            parts = {name for handler in bound.values() for name, *_ in getattr(handler, "iter_parts", tuple)()}
            media_types = {"handler"} if created("component") in bound else set()
        assert sorted({name.rpartition(".")[2] for name in parts} | media_types) == expected

    def test_a_task_that_is_not_named_is_a_dead_letter(self, component, calls):
        class NamingDaemon(Daemon):
            components = ["components.one"]

        with harness(NamingDaemon) as app:
            tasks = app.graph.pubsub_tasks
            tasks.task(tasks.find_function("components.two"))
            tasks.task(tasks.find_function("components.one"))
            assert sorted(outcomes(app.run())) == ["FAILED", "SUCCEEDED"]
            assert (calls, len(app.dead_letters)) == (["one"], 1)


@pytest.mark.parametrize("value", [1.7, "5", "x"])
def test_a_number_is_not_changed_on_its_way(value):
    @task(name="numbers.take")
    def take(number: int) -> None: ...

    with harness(Daemon), pytest.raises(InvalidParams, match="number"):
        take.send(value)


def test_a_program_names_its_tasks_as_those_do_who_import_it(tmp_path):
    (tmp_path / "images.py").write_text(
        "from microcosm_pubsub import task\n\n@task\ndef resize(path: str) -> None: ...\n\nprint(resize.name)\n"
    )
    for words in (["images.py"], ["-m", "images"], ["-c", "import images"]):
        found = run([sys.executable, *words], cwd=tmp_path, capture_output=True, text=True, check=True)
        assert found.stdout == "images.resize\n"


@pytest.mark.parametrize("options", [{"timezone": "Europe/Berlin"}, {"catch_up": False}])
def test_times_that_are_not_said(options):
    with pytest.raises(ConfigurationError, match="are of use with `every` or `cron` alone"):
        task(**options)(lambda: None)
