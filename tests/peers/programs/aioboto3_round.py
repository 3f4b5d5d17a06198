"""A round with aioboto3: subscribe with a filter, receives that wait, a dead letter, redrive, FIFO."""

import asyncio
import os
from json import dumps

import aioboto3


URL = os.environ["ENDPOINT"]


async def arn_of(sqs, queue):
    answer = await sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])
    return answer["Attributes"]["QueueArn"]


async def receive(sqs, queue, seconds=0, visibility=0):
    answer = await sqs.receive_message(
        QueueUrl=queue, MaxNumberOfMessages=10, WaitTimeSeconds=seconds, VisibilityTimeout=visibility
    )
    return answer.get("Messages", [])


async def use_topic(sqs, sns):
    dead = (await sqs.create_queue(QueueName="dead"))["QueueUrl"]
    policy = dumps({"deadLetterTargetArn": await arn_of(sqs, dead), "maxReceiveCount": "1"})
    queue = (await sqs.create_queue(QueueName="orders", Attributes={"RedrivePolicy": policy}))["QueueUrl"]
    topic = (await sns.create_topic(Name="events"))["TopicArn"]
    attributes = {"FilterPolicy": dumps({"kind": ["wanted"]})}
    await sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=await arn_of(sqs, queue), Attributes=attributes)
    waiting = [asyncio.create_task(receive(sqs, queue, 10)) for _ in range(5)]
    await asyncio.sleep(0.2)
    await sns.publish(TopicArn=topic, Message="unwanted")
    wanted = {"kind": {"DataType": "String", "StringValue": "wanted"}}
    await sns.publish(TopicArn=topic, Message="hello", MessageAttributes=wanted)
    done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    assert any("hello" in answer.result()[0]["Body"] for answer in done)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    letters = []
    for _ in range(50):
        await receive(sqs, queue)
        letters = await receive(sqs, dead)
        if letters:
            break
        await asyncio.sleep(0.1)
    assert "hello" in letters[0]["Body"], letters
    await sqs.start_message_move_task(SourceArn=await arn_of(sqs, dead))
    (again,) = await receive(sqs, queue, visibility=30)
    await sqs.delete_message(QueueUrl=queue, ReceiptHandle=again["ReceiptHandle"])


async def use_fifo(sqs):
    attributes = {"FifoQueue": "true", "ContentBasedDeduplication": "true"}
    queue = (await sqs.create_queue(QueueName="orders.fifo", Attributes=attributes))["QueueUrl"]
    for body in ("1", "2", "2", "3"):
        await sqs.send_message(QueueUrl=queue, MessageBody=body, MessageGroupId="g")
    assert [message["Body"] for message in await receive(sqs, queue, visibility=30)] == ["1", "2", "3"]


async def main():
    session = aioboto3.Session()
    async with session.client("sqs", endpoint_url=URL) as sqs, session.client("sns", endpoint_url=URL) as sns:
        await use_topic(sqs, sns)
        await use_fifo(sqs)


asyncio.run(main())
