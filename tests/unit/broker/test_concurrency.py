"""
Many threads and processes on one database: each message once, groups in order, and nothing lost by a kill.
"""

from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

import pytest


WORKERS = 4


def test_threads_receive_each_message_once(any_url, make_queue):
    queue = make_queue(any_url)
    bodies = [str(index) for index in range(2000)]
    queue.send_all(bodies)
    with ThreadPoolExecutor(WORKERS) as pool:
        found = [pool.submit(queue.drain) for _ in range(WORKERS)]
        received = [message["Body"] for future in found for message in future.result()]
    assert Counter(received) == Counter(bodies)


def test_processes_receive_each_message_once(url, make_queue, start_worker):
    queue = make_queue(url)
    workers = [start_worker("exchange", url, queue.url, name, 500) for name in range(WORKERS)]
    received = [line for worker in workers for line in worker.communicate()[0].splitlines()]
    assert [worker.returncode for worker in workers] == [0] * WORKERS
    assert Counter(received) == Counter(f"{name}:{index}" for name in range(WORKERS) for index in range(500))


def test_each_visibility_period_gives_each_message_once(any_url, make_queue, clock):
    queue = make_queue(any_url, clock=clock)
    queue.send_all([str(index) for index in range(300)])
    for period in range(1, 4):
        with ThreadPoolExecutor(WORKERS) as pool:
            found = [pool.submit(queue.drain, AttributeNames=["ApproximateReceiveCount"]) for _ in range(WORKERS)]
            messages = [message for future in found for message in future.result()]
        assert len({message["MessageId"] for message in messages}) == len(messages) == 300
        assert {message["Attributes"]["ApproximateReceiveCount"] for message in messages} == {str(period)}
        clock.advance(43200)


def send_groups(queue):
    for number in range(20):
        for group in range(8):
            queue.send(f"{group}:{number:02}", MessageGroupId=str(group))


def assert_in_order(received):
    groups = defaultdict(list)
    for body in received:
        group, number = body.split(":")
        groups[group].append(int(number))
    assert groups == {str(group): list(range(20)) for group in range(8)}


def test_threads_keep_groups_in_order(any_url, make_queue):
    queue = make_queue(any_url, fifo=True)
    send_groups(queue)
    received = []

    def consume():
        while len(received) < 160:
            messages = queue.receive(3)
            # the groups of these are blocked until they are deleted
            received.extend(message["Body"] for message in messages)
            for message in messages:
                queue.delete(message)

    with ThreadPoolExecutor(WORKERS) as pool:
        for future in [pool.submit(consume) for _ in range(WORKERS)]:
            future.result()
    assert_in_order(received)


def test_processes_keep_groups_in_order(url, make_queue, start_worker):
    queue = make_queue(url, fifo=True)
    send_groups(queue)
    workers = [start_worker("consume_fifo", url, queue.url) for _ in range(3)]
    lines = [line.split() for worker in workers for line in worker.communicate()[0].splitlines()]
    assert [worker.returncode for worker in workers] == [0] * 3
    assert_in_order([body for _, body in sorted(lines, key=lambda words: int(words[0]))])


def test_threads_send_each_duplicate_once(any_url, make_queue):
    queue = make_queue(any_url, fifo=True)
    bodies = [str(index % 50) for index in range(400)]
    with ThreadPoolExecutor(WORKERS) as pool:
        ids = list(pool.map(lambda body: (body, *queue.send(body, MessageGroupId="1")), bodies))
    # whoever sends a duplicate is told the id of the first
    assert len(set(ids)) == 50
    found = []
    while messages := queue.receive():
        found.extend(message["Body"] for message in messages)
        for message in messages:
            queue.delete(message)
    assert Counter(found) == Counter(set(bodies))


def kill_after(worker, count):
    """Kill a process in mid-stream, and return what it told until then."""
    lines = list(islice(worker.stdout, count))
    assert len(lines) == count
    worker.kill()
    lines.extend(worker.stdout)
    assert worker.wait() == -9
    return {line.strip() for line in lines if line.endswith("\n")}


@pytest.mark.parametrize("function", ["send_for_ever", "send_batches_for_ever"])
def test_killed_sender_has_sent_what_was_acknowledged(url, make_queue, start_worker, function):
    queue = make_queue(url)
    acknowledged = kill_after(start_worker(function, url, queue.url), 300)
    found = {message["MessageId"] for message in queue.drain()}
    assert acknowledged <= found
    # and of what was not acknowledged, one call's at most
    assert len(found) <= len(acknowledged) + 10


def test_killed_consumer_loses_nothing(url, make_queue, start_worker):
    queue = make_queue(url)
    queue.send_all([str(index) for index in range(400)])
    deleted = kill_after(start_worker("delete_for_ever", url, queue.url), 100)
    # what it had received comes back; the process's clock is the real one
    queue.broker.clock = lambda: 4_000_000_000.0
    with queue.broker.store.begin() as connection:
        connection.exec_driver_sql("UPDATE pubsub_messages SET expires_at = 5000000000000")
    left = {message["MessageId"] for message in queue.drain()}
    assert not deleted & left
    assert 400 - len(left) - len(deleted) in (0, 1)
