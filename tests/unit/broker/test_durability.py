"""For which calls PostgreSQL waits until its disk has them."""

import pytest


#: Notes how each transaction ends that changes messages, when it ends.
NOTING = (
    "CREATE TABLE ends (change text, setting text)",
    """
    CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO ends VALUES (TG_OP, current_setting('synchronous_commit'));
        RETURN NULL;
    END $$
    """,
    """
    CREATE CONSTRAINT TRIGGER noting AFTER INSERT OR UPDATE OR DELETE ON pubsub_messages
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION note()
    """,
)


@pytest.fixture
def make(postgres, make_queue):
    """Make a queue, and what tells how PostgreSQL ended each transaction that changed messages."""

    def make(fifo=False):
        queue = make_queue(postgres.create_database(), fifo=fifo)
        with queue.broker.store.begin() as connection:
            for statement in NOTING:
                connection.exec_driver_sql(statement)

        def get_ends():
            with queue.broker.store.begin() as connection:
                return [tuple(row) for row in connection.exec_driver_sql("SELECT change, setting FROM ends")]

        return queue, get_ends

    return make


def test_a_send_and_a_delete_wait_for_the_disk_but_a_receive_does_not_on_postgres(make):
    queue, get_ends = make()
    queue.send("a")
    (message,) = queue.receive()
    queue.delete(message)
    assert get_ends() == [("INSERT", "on"), ("UPDATE", "off"), ("DELETE", "on")]
    queue.send("b")
    assert get_ends()[-1] == ("INSERT", "on")


def test_a_receive_from_a_fifo_queue_waits_on_postgres(make):
    queue, get_ends = make(fifo=True)
    queue.send("a", MessageGroupId="g")
    queue.receive()
    assert get_ends() == [("INSERT", "on"), ("UPDATE", "on")]
