"""What a call costs does not depend on how many messages wait."""

import pytest


@pytest.fixture
def count_steps(make_queue, file_url):
    """Return how many thousands of SQLite's steps it takes to send, receive and delete ten messages."""

    def count(depth, fifo):
        queue = make_queue(file_url, fifo=fifo, attributes={"VisibilityTimeout": "600"})
        options = {"MessageGroupId": "g"} if fifo else {}
        queue.send_all([f"{depth}-{number}" for number in range(depth)], **options)
        steps = []
        with queue.broker.store.begin() as connection:
            driver = connection.connection.driver_connection
        driver.set_progress_handler(lambda: steps.append(1), 1000)
        queue.send_all([f"more-{depth}-{number}" for number in range(10)], **options)
        received = queue.receive()
        assert len(received) == 10
        entries = [
            {"Id": str(number), "ReceiptHandle": message["ReceiptHandle"]} for number, message in enumerate(received)
        ]
        queue.client.delete_message_batch(QueueUrl=queue.url, Entries=entries)
        driver.set_progress_handler(None, 0)
        queue.client.purge_queue(QueueUrl=queue.url)
        return len(steps)

    return count


@pytest.mark.parametrize("fifo", [False, True])
def test_a_deep_queue_costs_what_a_shallow_one_does(count_steps, fifo):
    assert count_steps(2000, fifo) <= 2 * count_steps(20, fifo) + 2
