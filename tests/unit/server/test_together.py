"""Calls that come at the same time are one transaction, and yet each is answered as if it were alone."""

import sqlite3
from asyncio import gather, get_running_loop, new_event_loop, sleep, wait_for

import pytest

from microcosm_pubsub.broker import sqlite
from microcosm_pubsub.broker.broker import Broker, Refusal
from microcosm_pubsub.broker.sqs import queues
from microcosm_pubsub.broker.store import RolledBack
from microcosm_pubsub.server.calls import MAX_TOGETHER, Calls
from microcosm_pubsub.server.operations import find_function


@pytest.fixture
def broker(tmp_path, monkeypatch):
    # What a queue is recalled for is another transaction.
    monkeypatch.setattr(queues, "RECALL_SECONDS", 3600.0)
    broker = Broker(f"sqlite:///{tmp_path / 'pubsub.db'}")
    yield broker
    broker.close()


async def never_gone():
    await get_running_loop().create_future()


def run(broker, test):
    """Run a coroutine function that takes what does an operation of SQS."""

    async def main():
        calls = Calls(broker, get_running_loop(), threads=4)

        def call(operation, **parameters):
            return calls.call("sqs", operation, find_function("sqs", operation), parameters, never_gone)

        call.pool = calls.pool
        try:
            await call("CreateQueue", QueueName="orders")
            return await wait_for(test(call), 30)
        finally:
            calls.close()

    loop = new_event_loop()
    try:
        return loop.run_until_complete(main())
    finally:
        loop.close()


def count_transactions(broker):
    return broker.store._transactions


def test_calls_that_come_at_the_same_time_are_one_transaction(broker):
    async def test(call):
        # The first receive of a second sees to running moves as well.
        await call("ReceiveMessage", QueueUrl="orders")
        await call("SendMessage", QueueUrl="orders", MessageBody="first")
        before = count_transactions(broker)
        await gather(*(call("SendMessage", QueueUrl="orders", MessageBody=str(i)) for i in range(MAX_TOGETHER)))
        assert count_transactions(broker) == before + 1
        answers = await gather(
            *(call("ReceiveMessage", QueueUrl="orders", MaxNumberOfMessages=10) for _ in range(3)),
        )
        assert count_transactions(broker) == before + 2
        return [message["Body"] for answer in answers for message in answer.get("Messages", [])]

    assert run(broker, test) == ["first", *map(str, range(MAX_TOGETHER))]


def test_one_that_fails_harms_no_other(broker):
    async def test(call):
        outcomes = await gather(
            call("SendMessage", QueueUrl="orders", MessageBody="a"),
            # found missing in the midst of the transaction, which is rolled back
            call("SendMessage", QueueUrl="nowhere", MessageBody="b"),
            call("SendMessage", QueueUrl="orders", MessageBody="c"),
            call("DeleteMessage", QueueUrl="orders", ReceiptHandle="none"),
            return_exceptions=True,
        )
        received = await call("ReceiveMessage", QueueUrl="orders", MaxNumberOfMessages=10)
        return outcomes, received["Messages"]

    (first, second, third, fourth), received = run(broker, test)
    assert [message["Body"] for message in received] == ["a", "c"]
    assert [message["MessageId"] for message in received] == [first["MessageId"], third["MessageId"]]
    assert [type(error).__name__ for error in (second, fourth)] == ["QueueDoesNotExist", "ReceiptHandleIsInvalid"]


def test_more_calls_than_fit_into_a_transaction_are_all_done(broker):
    count = 5 * MAX_TOGETHER + 3

    async def test(call):
        answers = await gather(*(call("SendMessage", QueueUrl="orders", MessageBody="a") for _ in range(count)))
        return {answer["MessageId"] for answer in answers}

    assert len(run(broker, test)) == count
    assert broker.count_sent() == count


def test_while_another_process_has_the_database_one_thread_waits_for_all(broker):
    other = sqlite3.connect(broker.store.url.database, isolation_level=None)
    threads = []

    async def test(call):
        loop = get_running_loop()
        await call("SendMessage", QueueUrl="orders", MessageBody="before")
        other.execute("BEGIN IMMEDIATE")
        spy_on(call.pool, threads)
        sent = [loop.create_task(call("SendMessage", QueueUrl="orders", MessageBody="a"))]
        while not threads:
            await sleep(0)
        sent += [
            loop.create_task(call("SendMessage", QueueUrl="orders", MessageBody=str(number)))
            for number in range(MAX_TOGETHER)
        ]
        # the loop goes on
        for _ in range(10):
            await sleep(0)
        before = count_transactions(broker)
        other.execute("ROLLBACK")
        await gather(*sent)
        return count_transactions(broker) - before

    try:
        assert run(broker, test) == 2
    finally:
        other.close()
    assert len(threads) == 1
    assert broker.count_sent() == MAX_TOGETHER + 2


def test_a_database_that_cannot_be_had_is_waited_for_once(broker, monkeypatch):
    other = sqlite3.connect(broker.store.url.database, isolation_level=None)
    waits = []

    async def test(call):
        await call("SendMessage", QueueUrl="orders", MessageBody="before")
        other.execute("BEGIN IMMEDIATE")
        monkeypatch.setattr(sqlite, "BUSY_TIMEOUT_SECONDS", -1)
        wait = sqlite.wait_for_turn
        monkeypatch.setattr(sqlite, "wait_for_turn", lambda call: (waits.append(call), wait(call)))
        sent = (call("SendMessage", QueueUrl="orders", MessageBody="a") for _ in range(MAX_TOGETHER))
        return await gather(*sent, return_exceptions=True)

    try:
        refused = run(broker, test)
    finally:
        other.close()
    assert {error.response["Error"]["Code"] for error in refused} == {"ServiceUnavailable"}
    assert len(waits) == 1


def spy_on(pool, submitted):
    """Note what a pool is given to do."""
    submit = pool.submit

    def note(*args):
        submitted.append(args)
        return submit(*args)

    pool.submit = note


def send_with_one_that_fails(broker, send):
    with broker.together():
        send(broker, QueueUrl="orders", MessageBody="c")
        with pytest.raises(Refusal):
            send(broker, QueueUrl="nowhere", MessageBody="d")


def test_news_is_told_after_the_transaction(broker):
    told = []
    broker.notifier.on_wake = lambda: told.append(broker.notifier.generation)
    send = find_function("sqs", "SendMessage")
    find_function("sqs", "CreateQueue")(broker, QueueName="orders")
    told.clear()
    with broker.together():
        send(broker, QueueUrl="orders", MessageBody="a")
        send(broker, QueueUrl="orders", MessageBody="b")
        assert told == []
    assert len(told) == 1
    with pytest.raises(RolledBack):
        send_with_one_that_fails(broker, send)
    assert len(told) == 1
    assert broker.count_sent() == 2
