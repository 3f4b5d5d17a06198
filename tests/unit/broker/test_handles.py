"""
What AWS leaves open about old receipt handles, and the broker settles: whoever received a message last has it.
"""

import pytest


@pytest.mark.parametrize("fifo", [False, True])
def test_old_handle_deletes_nothing(any_url, make_queue, clock, fifo):
    queue = make_queue(any_url, fifo=fifo, clock=clock)
    queue.send("a", **({"MessageGroupId": "1"} if fifo else {}))
    (old,) = queue.receive(VisibilityTimeout=30)
    clock.advance(30)
    (new,) = queue.receive(VisibilityTimeout=30)
    answer = queue.client.delete_message_batch(
        QueueUrl=queue.url, Entries=[{"Id": "old", "ReceiptHandle": old["ReceiptHandle"]}]
    )
    # AWS says that a standard queue succeeds, and that a FIFO queue refuses
    assert ("Failed" in answer) is fifo
    clock.advance(30)
    (again,) = queue.receive()
    assert again["MessageId"] == new["MessageId"]


def test_expired_messages_are_swept(any_url, make_queue, clock):
    queue = make_queue(any_url, clock=clock, attributes={"MessageRetentionPeriod": "60"})
    queue.send("a", "b")
    clock.advance(61)
    assert queue.receive() == []
    with queue.broker.store.begin() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM pubsub_messages").scalar() == 0
