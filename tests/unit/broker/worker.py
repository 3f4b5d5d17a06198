"""
What processes do with a broker under test; each tells on its standard output what it has done.
"""

import sys
from itertools import count
from time import monotonic_ns

from microcosm_pubsub.broker.broker import Broker
from microcosm_pubsub.broker.queue_client import BrokerQueueClient


def tell(*words):
    print(*words, flush=True)


def receive(client, queue_url, **options):
    return client.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10, **options).get("Messages", [])


def delete(client, queue_url, messages):
    entries = [{"Id": str(index), "ReceiptHandle": message["ReceiptHandle"]} for index, message in enumerate(messages)]
    client.delete_message_batch(QueueUrl=queue_url, Entries=entries)


def is_empty(client, queue_url):
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    answer = client.get_queue_attributes(QueueUrl=queue_url, AttributeNames=names)
    return all(value == "0" for value in answer["Attributes"].values())


def open_broker(url):
    """Create the tables, together with others."""
    Broker(url).close()
    tell("opened")


def send_for_ever(url, queue_url):
    """Tell the id of each message that was sent."""
    client = BrokerQueueClient(Broker(url))
    for number in count():
        tell(client.send_message(QueueUrl=queue_url, MessageBody=f"body {number}")["MessageId"])


def send_batches_for_ever(url, queue_url):
    """Tell the id of each message that was sent."""
    client = BrokerQueueClient(Broker(url))
    entries = [{"Id": str(index), "MessageBody": "body"} for index in range(10)]
    while True:
        answer = client.send_message_batch(QueueUrl=queue_url, Entries=entries)
        for result in answer["Successful"]:
            tell(result["MessageId"])


def delete_for_ever(url, queue_url):
    """Tell the id of each message that was deleted."""
    client = BrokerQueueClient(Broker(url))
    while messages := receive(client, queue_url):
        for message in messages:
            client.delete_message(QueueUrl=queue_url, ReceiptHandle=message["ReceiptHandle"])
            tell(message["MessageId"])


def exchange(url, queue_url, name, number):
    """Send messages, then receive what comes, and tell it."""
    client = BrokerQueueClient(Broker(url))
    for start in range(0, int(number), 10):
        entries = [{"Id": str(index), "MessageBody": f"{name}:{start + index}"} for index in range(10)]
        client.send_message_batch(QueueUrl=queue_url, Entries=entries)
        for message in receive(client, queue_url, VisibilityTimeout=43200):
            tell(message["Body"])
    while messages := receive(client, queue_url, VisibilityTimeout=43200):
        for message in messages:
            tell(message["Body"])


def consume_fifo(url, queue_url):
    """Tell when each message was received."""
    client = BrokerQueueClient(Broker(url))
    while not is_empty(client, queue_url):
        if messages := receive(client, queue_url):
            for message in messages:
                tell(monotonic_ns(), message["Body"])
            delete(client, queue_url, messages)


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
