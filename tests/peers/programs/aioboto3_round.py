"""A round with aioboto3: a subscribed queue, a receive that waits, a dead letter."""

import asyncio
import os
from json import dumps

import aioboto3


async def main():
    session = aioboto3.Session()
    url = os.environ["ENDPOINT"]
    async with session.client("sqs", endpoint_url=url) as sqs, session.client("sns", endpoint_url=url) as sns:
        dead = (await sqs.create_queue(QueueName="dead"))["QueueUrl"]
        attributes = await sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])
        policy = dumps({"deadLetterTargetArn": attributes["Attributes"]["QueueArn"], "maxReceiveCount": "1"})
        queue = (await sqs.create_queue(QueueName="orders", Attributes={"RedrivePolicy": policy}))["QueueUrl"]
        attributes = await sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])
        topic = (await sns.create_topic(Name="events"))["TopicArn"]
        await sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=attributes["Attributes"]["QueueArn"])
        waiting = [
            asyncio.create_task(sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=10, VisibilityTimeout=0))
            for _ in range(5)
        ]
        await asyncio.sleep(0.2)
        await sns.publish(TopicArn=topic, Message="hello")
        done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        assert any("hello" in answer.result()["Messages"][0]["Body"] for answer in done)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        for _ in range(20):
            await sqs.receive_message(QueueUrl=queue, VisibilityTimeout=0)
            answer = await sqs.receive_message(QueueUrl=dead, VisibilityTimeout=0)
            if answer.get("Messages"):
                break
            await asyncio.sleep(0.1)
        assert "hello" in answer["Messages"][0]["Body"]


asyncio.run(main())
