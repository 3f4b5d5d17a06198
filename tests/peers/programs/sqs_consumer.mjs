// sqs-producer sends, sqs-consumer handles; what fails comes again.
import assert from "node:assert/strict";
import { CreateQueueCommand, SQSClient } from "@aws-sdk/client-sqs";
import { Consumer } from "sqs-consumer";
import { Producer } from "sqs-producer";

const sqs = new SQSClient({ endpoint: process.env.ENDPOINT });
const { QueueUrl: queueUrl } = await sqs.send(
  new CreateQueueCommand({ QueueName: "orders", Attributes: { VisibilityTimeout: "30" } }),
);
const producer = Producer.create({ queueUrl, sqs });
const bodies = Array.from({ length: 25 }, (_, index) => `message-${index}`);
await producer.send(bodies);
assert.equal(await producer.queueSize(), 25);

const handled = [];
const failed = new Set();
const done = Promise.withResolvers ? Promise.withResolvers() : (() => {
  const all = {};
  all.promise = new Promise((resolve, reject) => Object.assign(all, { resolve, reject }));
  return all;
})();
const consumer = Consumer.create({
  queueUrl,
  sqs,
  batchSize: 10,
  waitTimeSeconds: 1,
  terminateVisibilityTimeout: true,
  handleMessage: async (message) => {
    if (message.Body === "message-7" && !failed.has(message.Body)) {
      failed.add(message.Body);
      throw new Error("once");
    }
    handled.push(message.Body);
    if (handled.length === 25) done.resolve();
    return message;
  },
});
consumer.on("error", done.reject);
consumer.on("processing_error", () => {});
consumer.start();
await done.promise;
const stopped = new Promise((resolve) => consumer.on("stopped", resolve));
consumer.stop();
await stopped;
assert.deepEqual([...handled].sort(), [...bodies].sort());
assert.equal(await producer.queueSize(), 0);
sqs.destroy();
