// sqs-producer sends, sqs-consumer handles; what fails comes again, and goes to the dead-letter queue, and back.
import assert from "node:assert/strict";
import * as sns from "@aws-sdk/client-sns";
import * as sqs from "@aws-sdk/client-sqs";
import { Consumer } from "sqs-consumer";
import { Producer } from "sqs-producer";

const client = new sqs.SQSClient({ endpoint: process.env.ENDPOINT });
const topics = new sns.SNSClient({ endpoint: process.env.ENDPOINT });

const create = async (QueueName, Attributes) =>
  (await client.send(new sqs.CreateQueueCommand({ QueueName, Attributes }))).QueueUrl;
const arnOf = async (QueueUrl) =>
  (await client.send(new sqs.GetQueueAttributesCommand({ QueueUrl, AttributeNames: ["QueueArn"] }))).Attributes.QueueArn;

// Handle messages until so many succeeded, and return their bodies in that order.
async function consume(queueUrl, count, fails = () => false) {
  const handled = [];
  let resolve, reject;
  const done = new Promise((...both) => { [resolve, reject] = both; });
  const consumer = Consumer.create({
    queueUrl, sqs: client, batchSize: 10, waitTimeSeconds: 1, terminateVisibilityTimeout: true,
    handleMessage: async (message) => {
      if (fails(message.Body)) throw new Error("on purpose");
      handled.push(message.Body);
      if (handled.length === count) resolve();
      return message;
    },
  });
  consumer.on("error", reject);
  consumer.on("processing_error", () => {});
  consumer.start();
  await done;
  const stopped = new Promise((stop) => consumer.on("stopped", stop));
  consumer.stop();
  await stopped;
  return handled;
}

const dead = await create("dead");
const RedrivePolicy = JSON.stringify({ deadLetterTargetArn: await arnOf(dead), maxReceiveCount: 2 });
const queueUrl = await create("orders", { VisibilityTimeout: "30", RedrivePolicy });
const producer = Producer.create({ queueUrl, sqs: client });
const bodies = Array.from({ length: 25 }, (_, index) => `message-${index}`);
await producer.send(bodies);
assert.equal(await producer.queueSize(), 25);
const failed = new Set();
const once = (body) => body === "message-7" && !failed.has(body) && failed.add(body);
assert.deepEqual((await consume(queueUrl, 25, once)).sort(), [...bodies].sort());

// what a topic lets through; one of it fails for good, and is given up
const { TopicArn } = await topics.send(new sns.CreateTopicCommand({ Name: "events" }));
await topics.send(new sns.SubscribeCommand({
  TopicArn, Protocol: "sqs", Endpoint: await arnOf(queueUrl),
  Attributes: { RawMessageDelivery: "true", FilterPolicy: JSON.stringify({ kind: ["wanted"] }) },
}));
const wanted = { kind: { DataType: "String", StringValue: "wanted" } };
for (const Message of ["poison", "good"]) {
  await topics.send(new sns.PublishCommand({ TopicArn, Message, MessageAttributes: wanted }));
}
await topics.send(new sns.PublishCommand({ TopicArn, Message: "unwanted" }));
assert.deepEqual(await consume(queueUrl, 1, (body) => body === "poison"), ["good"]);
const given_up = consume(dead, 1);
const receive = () => client.send(new sqs.ReceiveMessageCommand({ QueueUrl: queueUrl, VisibilityTimeout: 0 }));
for (let tries = 0; tries < 3; tries += 1) await receive();
assert.deepEqual(await given_up, ["poison"]);

// and back
const letters = Producer.create({ queueUrl: dead, sqs: client });
await letters.send("letter");
await client.send(new sqs.StartMessageMoveTaskCommand({ SourceArn: await arnOf(dead), DestinationArn: await arnOf(queueUrl) }));
assert.deepEqual(await consume(queueUrl, 1), ["letter"]);

const fifo = await create("orders.fifo", { FifoQueue: "true", ContentBasedDeduplication: "true" });
const ordered = Producer.create({ queueUrl: fifo, sqs: client });
const inOrder = Array.from({ length: 15 }, (_, index) => ({ id: `${index}`, body: `${index}`, groupId: "g" }));
await ordered.send(inOrder);
assert.deepEqual((await consume(fifo, 15)).map(Number).sort((a, b) => a - b), inOrder.map((item) => Number(item.body)));
client.destroy();
topics.destroy();
