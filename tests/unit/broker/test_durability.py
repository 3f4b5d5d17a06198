"""For which calls PostgreSQL waits until its disk has them."""

import pytest
from sqlalchemy import event


@pytest.fixture
def settings(postgres, make_queue):
    """A queue, and what PostgreSQL was told at the end of each transaction."""

    def make(fifo=False):
        queue = make_queue(postgres.create_database(), fifo=fifo)
        told = []

        def note(connection):
            told.append(connection.exec_driver_sql("SHOW synchronous_commit").scalar())

        event.listen(queue.broker.store.engine, "commit", note)
        return queue, told

    return make


def test_a_send_and_a_delete_wait_for_the_disk_but_a_receive_does_not_on_postgres(settings):
    queue, told = settings()
    queue.send("a")
    (message,) = queue.receive()
    queue.delete(message)
    assert [setting for setting in told if setting == "off"] == ["off"]
    assert told[0] == told[-1] == "on"
    assert queue.receive() == []
    assert told[-1] == "on"


def test_a_receive_from_a_fifo_queue_waits_on_postgres(settings):
    queue, told = settings(fifo=True)
    queue.send("a", MessageGroupId="g")
    queue.receive()
    assert set(told) == {"on"}
