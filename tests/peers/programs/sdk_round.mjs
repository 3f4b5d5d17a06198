// A round with the AWS SDK for JavaScript: create, subscribe, publish, receive, fail, dead letter, redrive, FIFO.
import assert from "node:assert/strict";
import * as sns from "@aws-sdk/client-sns";
import * as sqs from "@aws-sdk/client-sqs";

const endpoint = process.env.ENDPOINT;
const queues = new sqs.SQSClient({ endpoint });
const topics = new sns.SNSClient({ endpoint });

const arnOf = async (QueueUrl) =>
  (await queues.send(new sqs.GetQueueAttributesCommand({ QueueUrl, AttributeNames: ["QueueArn"] }))).Attributes.QueueArn;
const receive = async (QueueUrl, WaitTimeSeconds = 0, more = {}) =>
  (await queues.send(new sqs.ReceiveMessageCommand({
    QueueUrl, WaitTimeSeconds, MaxNumberOfMessages: 10, MessageAttributeNames: ["All"],
    MessageSystemAttributeNames: ["All"], ...more,
  }))).Messages ?? [];

const dead = (await queues.send(new sqs.CreateQueueCommand({ QueueName: "dead" }))).QueueUrl;
const RedrivePolicy = JSON.stringify({ deadLetterTargetArn: await arnOf(dead), maxReceiveCount: 1 });
const url = (await queues.send(new sqs.CreateQueueCommand({ QueueName: "orders", Attributes: { RedrivePolicy } }))).QueueUrl;
assert.equal(url, `${endpoint}/000000000000/orders`);
assert.equal(await arnOf(url), "arn:aws:sqs:eu-central-1:000000000000:orders");
const TopicArn = (await topics.send(new sns.CreateTopicCommand({ Name: "events" }))).TopicArn;
await topics.send(new sns.SubscribeCommand({
  TopicArn, Protocol: "sqs", Endpoint: await arnOf(url),
  Attributes: { RawMessageDelivery: "true", FilterPolicy: JSON.stringify({ kind: ["wanted"] }) },
}));
const MessageAttributes = {
  kind: { DataType: "String", StringValue: "wanted" },
  raw: { DataType: "Binary", BinaryValue: new Uint8Array([0, 255]) },
};
const waiting = receive(url, 10);
await topics.send(new sns.PublishCommand({ TopicArn, Message: "größer & <kleiner> \r\n", MessageAttributes }));
await topics.send(new sns.PublishCommand({ TopicArn, Message: "unwanted" }));
const [message, ...more] = await waiting;
assert.equal(more.length, 0);
assert.equal(message.Body, "größer & <kleiner> \r\n");
assert.deepEqual([...message.MessageAttributes.raw.BinaryValue], [0, 255]);
await queues.send(new sqs.ChangeMessageVisibilityCommand({
  QueueUrl: url, ReceiptHandle: message.ReceiptHandle, VisibilityTimeout: 0,
}));
assert.deepEqual(await receive(url), []);
const [letter] = await receive(dead, 0, { VisibilityTimeout: 0 });
assert.equal(letter.Attributes.DeadLetterQueueSourceArn, await arnOf(url));
await queues.send(new sqs.StartMessageMoveTaskCommand({ SourceArn: await arnOf(dead) }));
const [again] = await receive(url);
await queues.send(new sqs.DeleteMessageCommand({ QueueUrl: url, ReceiptHandle: again.ReceiptHandle }));

const fifo = (await queues.send(new sqs.CreateQueueCommand({
  QueueName: "orders.fifo", Attributes: { FifoQueue: "true", ContentBasedDeduplication: "true" },
}))).QueueUrl;
const Entries = ["1", "2", "2", "3"].map((MessageBody, index) => ({ Id: `${index}`, MessageBody, MessageGroupId: "g" }));
const sent = await queues.send(new sqs.SendMessageBatchCommand({ QueueUrl: fifo, Entries }));
assert.equal(sent.Successful.length, 4);
assert.deepEqual((await receive(fifo)).map((item) => item.Body), ["1", "2", "3"]);
await assert.rejects(
  queues.send(new sqs.GetQueueUrlCommand({ QueueName: "nowhere" })),
  (error) => error instanceof sqs.QueueDoesNotExist && error.name === "QueueDoesNotExist",
);
await assert.rejects(
  topics.send(new sns.PublishCommand({ TopicArn: `${TopicArn}-nowhere`, Message: "a" })),
  (error) => error instanceof sns.NotFoundException,
);
const listed = await queues.send(new sqs.ListQueuesCommand({ MaxResults: 2 }));
assert.equal(listed.QueueUrls.length, 2);
assert.ok(listed.NextToken);
queues.destroy();
topics.destroy();
