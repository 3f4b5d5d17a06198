"""
Tasks that take turns at a key, and what they leave to each other.
"""

import pytest

from microcosm_pubsub import InvalidParams, RetryPolicy, task
from microcosm_pubsub.calls.errors import CallError
from microcosm_pubsub.errors import ConfigurationError
from tests.unit.ledger.helpers import Daemon, TooBad, outcomes


@pytest.fixture
def runs():
    return []


@pytest.fixture
def count(runs):
    @task(name="count", ledger=True, retry=RetryPolicy(max_attempts=2, backoff=0))
    def count(values: list[int], cursor: dict, word: str = "") -> int:
        runs.append((values, word, dict(cursor)))
        cursor["sum"] = cursor.get("sum", 0) + sum(values)
        if -1 in values:
            raise TooBad
        return cursor["sum"]

    return count


def test_one_waits_for_each_key(make_app, count, runs):
    app = make_app(Daemon)
    one = count.options(cursor_key="a")
    first, second = one.send([1]), one.send([2])
    other = count.options(cursor_key="b").send([3])
    assert [first.is_new, second.is_new, other.is_new] == [True, False, True]
    assert first.task_id == second.task_id != other.task_id
    assert len(app.queue) == 2
    assert outcomes(app.run()) == ["SUCCEEDED", "SUCCEEDED"]
    assert [values for values, *_ in runs] == [[1], [3]]
    # it is not waiting any more
    third = one.send([4])
    assert third.is_new
    app.run()
    assert (third.result(), runs[-1]) == (5, ([4], "", {"sum": 1}))


@pytest.mark.parametrize(
    ("merge", "expected"),
    [
        ("keep", ([1], "a")),
        ("replace", ([2], "b")),
        ("append", ([1, 2], "b")),
        (lambda waiting, sent: {**waiting, "word": waiting["word"] + sent["word"]}, ([1], "ab")),
    ],
)
def test_the_arguments_of_one_that_waits_are_merged(make_app, count, runs, merge, expected):
    app = make_app(Daemon)
    count.options(cursor_key="k", merge=merge).send([1], word="a")
    count.options(cursor_key="k", merge=merge).send([2], word="b")
    app.run()
    assert [(values, word) for values, word, _ in runs] == [expected]


def test_a_merge_that_gives_something_else(make_app, count):
    make_app(Daemon)
    count.options(cursor_key="k").send([1])
    with pytest.raises(ConfigurationError, match="count: merge gave a list, but must give the arguments by name"):
        count.options(cursor_key="k", merge=lambda waiting, sent: [1]).send([2])


def test_a_merge_that_gives_arguments_that_do_not_fit(make_app, count, runs):
    app = make_app(Daemon)
    count.options(cursor_key="k").send([1])
    for merged, error in (({"zzz": 1}, InvalidParams), ({"values": {1}}, (InvalidParams, CallError))):
        with pytest.raises(error):
            count.options(cursor_key="k", merge=lambda waiting, sent, merged=merged: merged).send([2])
    app.run()
    assert [values for values, *_ in runs] == [[1]]


def test_the_next_one_is_published_when_the_one_before_ends(make_app, runs):
    @task(name="again", ledger=True)
    def again(number: int, cursor: dict[str, int]) -> None:
        cursor["runs"] = cursor.get("runs", 0) + 1
        runs.append(number)
        if number:
            # it waits, for this one is running
            assert again.options(cursor_key="k").send(number - 1).is_new

    app = make_app(Daemon)
    again.options(cursor_key="k").send(3)
    assert len(app.queue) == 1
    app.run()
    assert runs == [3, 2, 1, 0]
    with app.graph.pubsub_database.connect() as connection:
        ledger = app.graph.pubsub_ledger
        assert ledger.turns.load(connection, "k") == {"runs": 4}
        assert ledger.turns.lock(connection, "k", 0) is None


def test_tasks_of_two_names_share_a_key_and_lose_none(make_app, runs):
    @task(name="one", ledger=True)
    def one(cursor: dict) -> None:
        cursor.setdefault("names", []).append("one")

    @task(name="two", ledger=True)
    def two(cursor: dict) -> None:
        cursor.setdefault("names", []).append("two")

    app = make_app(Daemon)
    handles = [one.options(cursor_key="k").send(), two.options(cursor_key="k").send()]
    assert [handle.is_new for handle in handles] == [True, True]
    # one of them has the turn
    assert len(app.queue) == 1
    app.run()
    with app.graph.pubsub_database.connect() as connection:
        assert app.graph.pubsub_ledger.turns.load(connection, "k") == {"names": ["one", "two"]}


def test_a_failure_saves_nothing(make_app, count, runs):
    app = make_app(Daemon)
    count.options(cursor_key="k").send([5])
    app.run()
    failed = count.options(cursor_key="k").send([-1])
    app.run()
    # twice, from the same beginning
    assert [cursor for *_, cursor in runs[1:]] == [{"sum": 5}, {"sum": 5}]
    assert failed.state == "failed"
    last = count.options(cursor_key="k").send([1])
    app.run()
    assert last.result() == 6


def test_one_that_fails_passes_its_turn_on(make_app, count, runs):
    @task(name="other", ledger=True)
    def other() -> None: ...

    app = make_app(Daemon)
    failing, waiting = count.options(cursor_key="k").send([-1]), other.options(cursor_key="k").send()
    app.run()
    assert (failing.state, waiting.state) == ("failed", "completed")


def test_one_that_is_cancelled_passes_its_turn_on(make_app, count, runs):
    @task(name="other", ledger=True)
    def other() -> None: ...

    app = make_app(Daemon)
    first, waiting = count.options(cursor_key="k").send([1]), other.options(cursor_key="k").send()
    assert first.cancel() == "cancelled"
    app.run()
    assert (first.state, waiting.state, runs) == ("cancelled", "completed", [])


def test_one_that_is_lost_keeps_its_turn(make_app, count):
    @task(name="other", ledger=True)
    def other() -> None: ...

    app = make_app(Daemon)
    first, waiting = count.options(cursor_key="k").send([1]), other.options(cursor_key="k").send()
    ledger = app.graph.pubsub_ledger
    with app.graph.pubsub_database.connect() as connection:
        now = ledger.terms.now_ms()
        values = {"worker": "x", "started_at": now, "look_at": now + 30_000, "max_attempts": 3}
        ledger.store.begin(connection, first.task_id, values)
    app.run()
    assert (first.state, waiting.state) == ("running", "pending")
    app.clock.advance(31)
    ledger.sweeper.sweep()
    assert (first.state, waiting.state) == ("lost", "pending")
    app.run()
    assert (first.state, waiting.state) == ("completed", "completed")


def test_with_a_delay_it_is_a_throttle(make_app, count, runs):
    app = make_app(Daemon)
    throttled = count.options(cursor_key="k", merge="append", delay_seconds=30)
    handles = [throttled.send([number]) for number in range(3)]
    assert {handle.task_id for handle in handles} == {handles[0].task_id}
    assert handles[0].state == "scheduled"
    assert app.run() == []
    app.clock.advance(10)
    throttled.send([3])
    app.clock.advance(21)
    # the earlier time wins
    app.run()
    assert [values for values, *_ in runs] == [[0, 1, 2, 3]]


def test_the_earlier_time_wins(make_app, count, runs):
    app = make_app(Daemon)
    later = count.options(cursor_key="k", delay_seconds=60).send([1])
    now = count.options(cursor_key="k").send([2])
    assert (now.is_new, now.state) == (False, "pending")
    app.run()
    assert (later.state, len(runs)) == ("completed", 1)
    app.clock.advance(61)
    assert app.run() == []


def test_one_whose_time_comes_while_another_runs(make_app, runs):
    @task(name="long", ledger=True)
    def long(graph) -> None:
        app.clock.advance(60)
        runs.append("long")

    @task(name="later", ledger=True)
    def later() -> None:
        runs.append("later")

    app = make_app(Daemon)
    later.options(cursor_key="k", delay_seconds=30).send()
    long.options(cursor_key="k").send()
    app.run()
    assert runs == ["long", "later"]


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (object(), "The cursor of 'k' cannot be written as JSON"),
        (float("nan"), "The cursor of 'k' cannot be written as JSON"),
        ("x" * 70_000, "The cursor of 'k' has 70009 bytes, and 65536 are kept at most"),
    ],
)
def test_a_cursor_that_cannot_be_kept(make_app, value, problem):
    @task(name="spoil", ledger=True)
    def spoil(cursor: dict) -> None:
        cursor["x"] = value

    app = make_app(Daemon)
    handle = spoil.options(cursor_key="k").send()
    assert outcomes(app.run()) == ["FAILED"]
    assert handle.state == "failed"
    assert problem in handle.error["message"]
    assert len(app.dead_letters) == 1


def test_without_a_key_a_cursor_is_empty_and_not_kept(make_app, count, runs):
    app = make_app(Daemon)
    assert [count.send([1]).is_new, count.send([2]).is_new] == [True, True]
    app.run()
    assert [cursor for *_, cursor in runs] == [{}, {}]
    assert count.options(is_async=False).send([1]) == 1


@pytest.mark.parametrize("key", ["", "x" * 201, 5, "a\0b"])
def test_a_key_that_cannot_be_one(make_app, count, key):
    make_app(Daemon)
    with pytest.raises(ConfigurationError, match=r"cursor_key is .*, but must be a text of at most 200"):
        count.options(cursor_key=key).send([1])


def test_options_that_do_not_go_together(make_app, count):
    make_app(Daemon)
    for options, problem in (
        ({"merge": "sum", "cursor_key": "k"}, "merge is 'sum', but must be keep, replace, append, or a function"),
        ({"merge": "append"}, "merge is of use with a cursor_key alone"),
        ({"is_async": False, "cursor_key": "k"}, "has no cursor_key"),
    ):
        with pytest.raises(ConfigurationError, match=problem):
            count.options(**options).send([1])


def test_a_parameter_of_another_type_is_an_argument(make_app, runs):
    @task(name="page", ledger=True)
    def page(cursor: str) -> None:
        runs.append(cursor)

    app = make_app(Daemon)
    page.send("next")
    app.run()
    assert runs == ["next"]
