"""
Tasks that are sent again and again.
"""

from datetime import UTC, datetime, timedelta
from threading import Barrier, Thread

import pytest

from microcosm_pubsub import task
from microcosm_pubsub.calls.errors import CallError
from microcosm_pubsub.calls.recurring import Recurrence
from microcosm_pubsub.errors import ConfigurationError
from tests.unit.ledger.helpers import Daemon


@pytest.fixture
def runs():
    return []


def at(text):
    return datetime.fromisoformat(text).timestamp()


def iso(seconds):
    return datetime.fromtimestamp(seconds, UTC).isoformat()


def test_a_task_is_sent_every_five_minutes(make_app, runs):
    @task(name="tick", every=timedelta(minutes=5))
    def tick() -> None:
        runs.append(app.clock())

    app = make_app(Daemon)
    start = app.clock()
    assert app.run() == []
    for _ in range(3):
        app.clock.advance(300)
        app.run()
    assert runs == [start + 300, start + 600, start + 900]
    ids = [each.task_id for each in app.graph.pubsub_tasks.list(name="tick")]
    assert ids[0] == "schedule:tick:2026-01-01T00:15:00Z"


def test_of_many_daemons_one_sends_it(make_app, kind):
    @task(name="tick", every=timedelta(minutes=5))
    def tick() -> None: ...

    apps = [make_app(Daemon) for _ in range(4)]
    for app in apps:
        app.clock.advance(300)
    barrier, fired = Barrier(len(apps)), []

    def fire(app):
        barrier.wait()
        fired.append(app.graph.pubsub_ledger_keeping.schedules.fire_due()[0])

    threads = [Thread(target=fire, args=(app,)) for app in apps]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(fired) == 1
    assert len(apps[0].graph.pubsub_tasks.list()) == 1


@pytest.mark.parametrize(("catch_up", "expected"), [(True, 1), (False, 0)])
def test_what_was_missed_is_made_up_for_once_or_not(make_app, runs, catch_up, expected):
    @task(name="tick", every=timedelta(minutes=5), catch_up=catch_up)
    def tick() -> None:
        runs.append(1)

    app = make_app(Daemon)
    app.clock.advance(3 * 300 + 120)
    app.run()
    assert len(runs) == expected
    app.clock.advance(180)
    app.run()
    assert len(runs) == expected + 1


def test_a_clock_that_was_ahead_is_made_good(make_app, runs):
    @task(name="tick", every=timedelta(minutes=5))
    def tick() -> None:
        runs.append(app.clock())

    app = make_app(Daemon)
    app.clock.advance(24 * 3600)
    app.run()
    app.clock.advance(-24 * 3600)
    app.run()
    # that of 00:05 was sent when the clock was ahead
    app.clock.advance(300)
    app.run()
    assert len(runs) == 1
    app.clock.advance(300)
    app.run()
    assert len(runs) == 2


def test_a_time_that_was_fired_is_not_fired_again(make_app, runs):
    @task(name="tick", every=timedelta(minutes=5))
    def tick() -> None:
        runs.append(1)

    app = make_app(Daemon)
    app.clock.advance(300)
    app.run()
    app.clock.advance(-300)
    schedules = app.graph.pubsub_ledger_keeping.schedules
    with app.graph.pubsub_database.connect() as connection:
        schedules._write(connection, "tick", next_at=int(app.clock() + 300) * 1000, last_at=None)
    app.clock.advance(300)
    app.run()
    assert len(runs) == 1


def test_another_time_is_taken_over(make_app):
    def declare(**when):
        @task(name="tick", **when)
        def tick() -> None: ...

    declare(every=timedelta(hours=1))
    app = make_app(Daemon)
    (first,) = app.graph.pubsub_ledger_keeping.schedules.list()
    declare(cron="30 4 * * *", timezone="Europe/Berlin")
    (second,) = make_app(Daemon).graph.pubsub_ledger_keeping.schedules.list()
    assert (first.spec, second.spec) == ("every 1:00:00", "30 4 * * * Europe/Berlin")
    assert iso(second.next_at / 1000) == "2026-01-01T03:30:00+00:00"


def test_a_schedule_is_paused_resumed_and_run_by_hand(make_app, runs):
    @task(name="tick", every=timedelta(minutes=5))
    def tick() -> None:
        runs.append(1)

    app = make_app(Daemon)
    schedules = app.graph.pubsub_ledger_keeping.schedules
    schedules.pause("tick")
    app.clock.advance(400)
    app.run()
    assert (runs, schedules.list()[0].is_paused) == ([], True)
    schedules.resume("tick")
    app.run()
    assert runs == []
    task_id = schedules.run("tick")
    app.run()
    assert (len(runs), app.graph.pubsub_tasks.find(task_id).state) == (1, "completed")
    app.clock.advance(300)
    app.run()
    assert len(runs) == 2
    with pytest.raises(CallError, match="No task 'tock' with times is declared here; there are tick"):
        schedules.run("tock")
    with pytest.raises(CallError, match="The database has no schedule 'tock'"):
        schedules.pause("tock")


# when it is


@pytest.mark.parametrize(
    ("cron", "zone", "after", "expected"),
    [
        ("0 3 * * *", "Europe/Berlin", "2026-01-01T00:00:00+00:00", "2026-01-01T02:00:00+00:00"),
        ("0 3 * * *", "Europe/Berlin", "2026-07-01T00:00:00+00:00", "2026-07-01T01:00:00+00:00"),
        # 02:30 falls out on the day on which clocks go forward: right after
        ("30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00+00:00", "2026-03-29T01:00:00+00:00"),
        # and comes twice on the day on which they go back: once
        ("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00+00:00", "2026-10-25T00:30:00+00:00"),
        ("30 2 * * *", "Europe/Berlin", "2026-10-25T00:30:00+00:00", "2026-10-26T01:30:00+00:00"),
        ("30 2 * * *", "Europe/Berlin", "2026-10-25T01:10:00+00:00", "2026-10-26T01:30:00+00:00"),
        ("*/15 * * * *", "UTC", "2026-01-01T00:00:00+00:00", "2026-01-01T00:15:00+00:00"),
        ("0 0 29 2 *", "UTC", "2026-01-01T00:00:00+00:00", "2028-02-29T00:00:00+00:00"),
    ],
)
def test_times_of_cron_expressions(cron, zone, after, expected):
    assert iso(Recurrence(cron=cron, timezone=zone).find_next(at(after))) == expected


def test_the_next_time_of_an_interval_is_later_than_that():
    each = Recurrence(every=timedelta(seconds=1.1))
    assert each.find_next(1_800_000_000.7) == 1_800_000_001.8


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"cron": "0 0 30 2 *"}, "cron='0 0 30 2 \\*' is not understood, or never comes"),
        ({"cron": "0 3 * *"}, "cron is '0 3 \\* \\*', but must have five fields"),
        ({"cron": "61 * * * *"}, "is not understood"),
        ({"cron": 5}, "cron is 5, but must have five fields"),
        ({"cron": "0 3 * * *", "timezone": "Berlin"}, "timezone is 'Berlin', but must be the name of one"),
        ({"cron": "0 3 * * *", "timezone": "../etc/passwd"}, "must be the name of one"),
        ({"cron": "0 3 * * *", "every": timedelta(minutes=1)}, "give one of them"),
        ({"every": timedelta(minutes=1), "catch_up": 1}, "catch_up is 1, but must be true or false"),
    ],
)
def test_times_that_never_come(options, problem):
    with pytest.raises(ConfigurationError, match=problem):
        task(name="x", **options)(lambda: None)


def test_a_task_that_needs_arguments_cannot_be_sent_by_nobody():
    with pytest.raises(ConfigurationError, match="it is sent again and again, without arguments, and needs size"):

        @task(name="resize", every=timedelta(minutes=1))
        def resize(size: int) -> None: ...
