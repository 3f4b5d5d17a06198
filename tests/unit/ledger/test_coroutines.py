"""
Tasks that coroutines send, in the transaction of their handler.
"""

import pytest

from microcosm_pubsub import task
from microcosm_pubsub.sql import current_session
from tests.unit.ledger.helpers import Daemon, TooBad, outcomes


@pytest.fixture
def url(url):
    return url.replace("sqlite:", "sqlite+aiosqlite:")


@pytest.fixture
def app(make_app, add, parent):
    app = make_app(Daemon)
    yield app
    app.graph.pubsub_event_loop.run(app.graph.pubsub_database.get_async_engine().dispose())


@pytest.fixture
def calls():
    return []


@pytest.fixture
def add(calls):
    @task(name="add", ledger=True)
    def add(values: list[int]) -> int:
        calls.append(values)
        return sum(values)

    return add


@pytest.fixture
def handles():
    return []


@pytest.fixture
def bodies():
    """What the coroutine does, once a test has said so."""
    return []


@pytest.fixture
def parent(bodies):
    @task(name="parent", ledger=True)
    async def parent(fails: bool = False) -> None:
        await bodies[0]()
        if fails:
            raise TooBad

    return parent


def states(app):
    return sorted((each.name, str(each.state)) for each in app.graph.pubsub_tasks.list())


def test_they_are_sent_with_the_transaction(app, add, parent, bodies, calls):
    async def send():
        add.send([1])

    bodies.append(send)
    parent.send()
    parent.send(fails=True)
    app.run()
    assert calls == [[1]]
    assert states(app) == [("add", "completed"), ("parent", "completed"), ("parent", "pending")]


def test_one_waits_for_each_key(app, add, parent, bodies, calls, handles):
    async def send():
        one = add.options(cursor_key="a", merge="append")
        handles.extend(one.send([number]) for number in range(3))
        handles.append(add.options(cursor_key="b").send([3]))
        assert [handle.is_new for handle in handles] == [None] * 4

    bodies.append(send)
    parent.send()
    app.run()
    # The first one has its turn at once, and the second waits for it; as does what came later.
    assert [handle.is_new for handle in handles] == [True, False, False, True]
    assert calls == [[0, 1, 2], [3]]
    assert handles[2].result() == 3


def test_they_wait_for_their_time(app, add, parent, bodies, calls, handles):
    async def send():
        handles.append(add.options(delay_seconds=30).send([1]))

    bodies.append(send)
    parent.send()
    assert outcomes(app.run()) == ["SUCCEEDED"]
    assert (calls, handles[0].is_new, str(handles[0].state)) == ([], True, "scheduled")
    app.clock.advance(30)
    app.run()
    assert handles[0].result() == 1


def test_they_go_with_their_savepoint(app, add, parent, bodies, calls, handles):
    async def send():
        try:
            async with current_session().begin_nested():
                handles.append(add.options(cursor_key="a").send([1]))
                raise TooBad
        except TooBad:
            handles.append(add.options(cursor_key="a").send([2]))

    bodies.append(send)
    parent.send()
    app.run()
    assert [handle.is_new for handle in handles] == [None, True]
    assert calls == [[2]]


def test_what_cannot_be_published_is_told_and_nothing_is_kept(app, add, parent, bodies, handles):
    async def send():
        handles.append(add.options(task_id="same", cursor_key="a").send([1]))
        handles.append(add.options(task_id="same", cursor_key="b").send([2]))

    bodies.append(send)
    parent.send()
    (result,) = app.run()
    assert "A task with the id same is in the ledger already" in str(result.exc_info[1])
    assert states(app) == [("parent", "pending")]
