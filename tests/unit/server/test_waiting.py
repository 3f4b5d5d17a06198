"""Receives that wait cost no thread, and end when they should."""

import asyncio
import json
from contextlib import asynccontextmanager
from threading import active_count

import pytest


async def start_receive(server, opened, queue="orders", seconds=20):
    reader, writer = await asyncio.open_connection(*server.address)
    opened.append(writer)
    body = json.dumps({"QueueUrl": queue, "WaitTimeSeconds": seconds}).encode()
    head = f"POST / HTTP/1.1\r\nHost: a\r\nX-Amz-Target: AmazonSQS.ReceiveMessage\r\nContent-Length: {len(body)}"
    writer.write(f"{head}\r\n\r\n".encode() + body)
    await writer.drain()
    return reader, writer


@asynccontextmanager
async def connections():
    """Close what was opened."""
    opened = []
    try:
        yield opened
    finally:
        for writer in opened:
            writer.close()
        await asyncio.gather(*[writer.wait_closed() for writer in opened], return_exceptions=True)


async def read_answer(reader):
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
    return json.loads(await reader.readexactly(length))


async def until(condition):
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.01)


def waiting_of(server):
    return server.broker.notifier.on_wake.__self__


@pytest.fixture
def orders(server):
    sqs = server.client("sqs")
    sqs.create_queue(QueueName="orders", Attributes={"VisibilityTimeout": "600"})
    return sqs


def test_a_thousand_wait_without_threads(server, orders):
    async def run():
        async with connections() as opened:
            before = active_count()
            for queue in range(10):
                orders.create_queue(QueueName=f"queue-{queue}")
            receives = [await start_receive(server, opened, f"queue-{index % 10}") for index in range(1000)]
            await until(lambda: waiting_of(server).count == 1000)
            assert active_count() - before <= 32
            # by tens, for a busy machine must be done before the 20 seconds of the receives are over
            for start in range(0, 1000, 10):
                entries = [{"Id": str(index), "MessageBody": str(index)} for index in range(start, start + 10)]
                queue = f"{server.url}/0/queue-{start // 10 % 10}"
                await asyncio.to_thread(orders.send_message_batch, QueueUrl=queue, Entries=entries)
            answers = await asyncio.gather(*[read_answer(reader) for reader, _ in receives])
            assert sorted(int(answer["Messages"][0]["Body"]) for answer in answers) == list(range(1000))
            assert waiting_of(server).count == 0

    asyncio.run(run())


def test_who_came_first_receives_first(server, orders):
    async def run():
        async with connections() as opened:
            receives = []
            for count in range(1, 4):
                receives.append(await start_receive(server, opened))
                await until(lambda count=count: waiting_of(server).count == count)
            for index, (reader, _) in enumerate(receives):
                await asyncio.to_thread(orders.send_message, QueueUrl="http://a/0/orders", MessageBody=str(index))
                assert (await read_answer(reader))["Messages"][0]["Body"] == str(index)

    asyncio.run(run())


def test_who_has_gone_receives_nothing(server, orders):
    async def run():
        async with connections() as opened:
            _, writer = await start_receive(server, opened)
            await until(lambda: waiting_of(server).count == 1)
            writer.close()
            await until(lambda: waiting_of(server).count == 0)
            await asyncio.to_thread(orders.send_message, QueueUrl="http://a/0/orders", MessageBody="a")
            reader, _ = await start_receive(server, opened)
            assert (await read_answer(reader))["Messages"][0]["Body"] == "a"

    asyncio.run(run())


def test_a_message_of_another_process_and_one_whose_time_has_come_are_noticed(server, orders):
    from microcosm_pubsub.broker.broker import Broker
    from microcosm_pubsub.broker.queue_client import BrokerQueueClient

    other = Broker(server.broker.store.url.render_as_string())

    async def run():
        async with connections() as opened:
            reader, _ = await start_receive(server, opened)
            await until(lambda: waiting_of(server).count == 1)
            await asyncio.to_thread(BrokerQueueClient(other).send_message, QueueUrl="orders", MessageBody="other")
            assert (await read_answer(reader))["Messages"][0]["Body"] == "other"
            reader, _ = await start_receive(server, opened)
            await asyncio.to_thread(
                orders.send_message, QueueUrl="http://a/0/orders", MessageBody="late", DelaySeconds=1
            )
            assert (await read_answer(reader))["Messages"][0]["Body"] == "late"

    asyncio.run(run())
    other.close()


def test_a_queue_that_is_deleted_ends_the_wait(server, orders):
    async def run():
        async with connections() as opened:
            reader, _ = await start_receive(server, opened)
            await until(lambda: waiting_of(server).count == 1)
            await asyncio.to_thread(orders.delete_queue, QueueUrl="http://a/0/orders")
            assert "QueueDoesNotExist" in (await read_answer(reader))["__type"]

    asyncio.run(run())


def test_the_time_of_a_wait_is_the_queues_unless_it_is_said(server, orders):
    orders.set_queue_attributes(QueueUrl="http://a/0/orders", Attributes={"ReceiveMessageWaitTimeSeconds": "1"})
    assert "Messages" not in orders.receive_message(QueueUrl="http://a/0/orders")


def test_a_receive_that_waits_gets_what_a_slow_move_brings(server, orders):
    arn = "arn:aws:sqs:eu-west-1:000000000000:dead"
    dead = orders.create_queue(QueueName="dead")["QueueUrl"]
    url = orders.get_queue_url(QueueName="orders")["QueueUrl"]
    policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 1})
    orders.set_queue_attributes(QueueUrl=url, Attributes={"RedrivePolicy": policy})
    for body in "ab":
        orders.send_message(QueueUrl=dead, MessageBody=body)
    orders.start_message_move_task(SourceArn=arn, MaxNumberOfMessagesPerSecond=1)
    assert orders.receive_message(QueueUrl=url)["Messages"][0]["Body"] == "a"

    async def run():
        async with connections() as opened:
            reader, _ = await start_receive(server, opened)
            await until(lambda: waiting_of(server).count == 1)
            before = server.broker.clock
            server.broker.clock = lambda: before() + 1
            return (await read_answer(reader))["Messages"][0]["Body"]

    assert asyncio.run(run()) == "b"
