"""
SNS and SQS in memory: the broker, made forgiving.

A test may hand in messages, queues and topics of its own making. So any text names a queue or a topic, which is
there as soon as it is named; a receipt handle that no receive gave is accepted; and a receive never waits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from hashlib import sha256
from re import fullmatch
from threading import Lock
from time import time
from typing import TYPE_CHECKING, Any

from microcosm_pubsub.broker import names
from microcosm_pubsub.broker.factory import open_broker
from microcosm_pubsub.clients.protocols import Answer
from microcosm_pubsub.constants import FIFO_SUFFIX
from microcosm_pubsub.message.raw import BatchAnswer, ReceiveAnswer, SendAnswer


if TYPE_CHECKING:
    from microcosm_pubsub.broker.clients import BrokerClients
    from microcosm_pubsub.broker.inspection import StoredMessage


class MemoryEngine:
    """
    Hold queues and topics in memory; the database is made when it is first needed.

    :param clock: tells the time of day, in seconds since the epoch; a test may set it later too
    :param default_queue_url: the queue to which a topic delivers that was not subscribed to explicitly
    """

    def __init__(self, clock: Callable[[], float] = time, default_queue_url: str | None = None) -> None:
        self.clock = clock
        self.default_queue_url = default_queue_url
        self.queue_client = MemoryQueueClient(self)
        self.topic_client = MemoryTopicClient(self)
        self._subscribed: set[str] = set()
        self._provisioned: set[str] = set()
        #: The names of queues that a program made by itself.
        self.made: set[str] = set()
        self._clients: BrokerClients | None = None
        self._opening = Lock()

    @property
    def clients(self) -> BrokerClients:
        """Return the clients of the broker."""
        # All threads share one broker: since Python 3.12 a cached property could make one per thread.
        with self._opening:
            if self._clients is None:
                self._clients = open_broker("sqlite://", clock=lambda: self.clock())
            return self._clients

    def provision_queue(self, name: str) -> None:
        """Create a queue with its dead-letter queue, as a daemon does on the broker."""
        self.clients.provision_queue(name)
        self._provisioned |= {name, names.dead_letter_queue_name(name)}

    def subscribe(self, topic_arn: str, queue_url: str, raw: bool = False) -> None:
        """Let a topic deliver to a queue, and no longer to the default one."""
        self._subscribed.add(self.topic_arn(topic_arn, deliver=False))
        self.clients.topic_client.client.subscribe(
            TopicArn=self.topic_arn(topic_arn, deliver=False),
            Protocol="sqs",
            Endpoint=names.queue_arn(self.queue_name(queue_url)),
            Attributes={"RawMessageDelivery": "true"} if raw else {},
        )

    def messages(self, queue_url: str) -> list[StoredMessage]:
        """Return the messages that a queue holds, visible or not, the oldest first."""
        from microcosm_pubsub.broker.inspection import list_messages

        return list_messages(self.clients.broker, self.queue_name(queue_url))

    def queue_name(self, queue_url: str) -> str:
        """Return the name of a queue, which is created if it is not there."""
        name = to_name(queue_url)
        if name in self._provisioned or name in self.made:
            return name
        attributes = {"FifoQueue": "true", "ContentBasedDeduplication": "true"} if names.is_fifo(name) else {}
        self.clients.queue_client.create_queue(QueueName=name, Attributes=attributes)
        return name

    def topic_arn(self, topic_arn: str, deliver: bool = True) -> str:
        """Return the ARN of a topic, which is created, and delivers to the default queue, if it is not there."""
        arn = names.topic_arn(to_name(topic_arn))
        self.clients.topic_client.create(arn)
        if deliver and self.default_queue_url is not None and arn not in self._subscribed:
            self._subscribed.add(arn)
            if names.is_fifo(arn) or not names.is_fifo(to_name(self.default_queue_url)):
                self.clients.topic_client.client.subscribe(
                    TopicArn=arn,
                    Protocol="sqs",
                    Endpoint=names.queue_arn(self.queue_name(self.default_queue_url)),
                )
        return arn


class MemoryQueueClient:
    """
    boto3's SQS client, in memory.

    :param engine: holds the queues
    """

    def __init__(self, engine: MemoryEngine) -> None:
        self._engine = engine

    def get_queue_url(self, **kwargs: Any) -> Answer:
        """Return the URL of a queue: its name is as good."""
        return {"QueueUrl": kwargs["QueueName"]}

    def create_queue(self, **kwargs: Any) -> Answer:
        """Create a queue, whose receives wait as they do elsewhere: a program that makes one polls it by itself."""
        self._engine.clients.queue_client.create_queue(**kwargs)
        self._engine.made.add(kwargs["QueueName"])
        return {"QueueUrl": kwargs["QueueName"]}

    def delete_queue(self, **kwargs: Any) -> Answer:
        """Delete a queue."""
        answer: Answer = self._call("delete_queue", kwargs)
        self._engine.made.discard(kwargs["QueueUrl"])
        return answer

    def list_queues(self, **kwargs: Any) -> Answer:
        """Return the URLs of queues."""
        answer: Answer = self._engine.clients.queue_client.list_queues(**kwargs)
        return answer

    def receive_message(self, **kwargs: Any) -> ReceiveAnswer:
        """Receive messages, without waiting, but of queues that a program made."""
        waits = {} if kwargs["QueueUrl"] in self._engine.made else {"WaitTimeSeconds": 0}
        answer: ReceiveAnswer = self._call("receive_message", {**kwargs, **waits})
        return answer

    def send_message(self, **kwargs: Any) -> SendAnswer:
        """Send a message."""
        answer: SendAnswer = self._call("send_message", kwargs)
        return answer

    def send_message_batch(self, **kwargs: Any) -> BatchAnswer:
        """Send messages."""
        answer: BatchAnswer = self._call("send_message_batch", kwargs)
        return answer

    def delete_message(self, **kwargs: Any) -> object:
        """Delete a message."""
        return self._settle("delete_message", kwargs)

    def delete_message_batch(self, **kwargs: Any) -> BatchAnswer:
        """Delete messages."""
        return self._settle_batch("delete_message_batch", kwargs)

    def change_message_visibility(self, **kwargs: Any) -> object:
        """Change for how long a message stays hidden."""
        return self._settle("change_message_visibility", kwargs)

    def change_message_visibility_batch(self, **kwargs: Any) -> BatchAnswer:
        """Change for how long messages stay hidden."""
        return self._settle_batch("change_message_visibility_batch", kwargs)

    def set_queue_attributes(self, **kwargs: Any) -> Answer:
        """Set attributes of a queue."""
        answer: Answer = self._call("set_queue_attributes", kwargs)
        return answer

    def get_queue_attributes(self, **kwargs: Any) -> Answer:
        """Return attributes of a queue."""
        answer: Answer = self._call("get_queue_attributes", kwargs)
        return answer

    def purge_queue(self, **kwargs: Any) -> Answer:
        """Delete the messages of a queue."""
        answer: Answer = self._call("purge_queue", kwargs)
        return answer

    def _call(self, method: str, kwargs: Mapping[str, Any]) -> Any:
        client = self._engine.clients.queue_client
        name = self._engine.queue_name(kwargs["QueueUrl"])
        return getattr(client, method)(**{**kwargs, "QueueUrl": name})

    def _settle(self, method: str, kwargs: Mapping[str, Any]) -> object:
        exceptions = self._engine.clients.queue_client.exceptions
        try:
            return self._call(method, {**kwargs, "ReceiptHandle": str(kwargs["ReceiptHandle"])})
        except exceptions.ReceiptHandleIsInvalid:
            return {}

    def _settle_batch(self, method: str, kwargs: Mapping[str, Any]) -> BatchAnswer:
        entries = [{**entry, "ReceiptHandle": str(entry["ReceiptHandle"])} for entry in kwargs["Entries"]]
        answer = self._call(method, {**kwargs, "Entries": entries})
        unknown = [entry for entry in answer.get("Failed", []) if entry["Code"] == "ReceiptHandleIsInvalid"]
        successful = answer.get("Successful", []) + [{"Id": entry["Id"]} for entry in unknown]
        failed = [entry for entry in answer.get("Failed", []) if entry not in unknown]
        return {**answer, "Successful": successful, "Failed": failed}


class MemoryTopicClient:
    """
    boto3's SNS client, in memory.

    :param engine: holds the topics
    """

    def __init__(self, engine: MemoryEngine) -> None:
        self._engine = engine

    def publish(self, **kwargs: Any) -> SendAnswer:
        """Publish a message."""
        answer: SendAnswer = self._call("publish", kwargs)
        return answer

    def publish_batch(self, **kwargs: Any) -> BatchAnswer:
        """Publish messages."""
        answer: BatchAnswer = self._call("publish_batch", kwargs)
        return answer

    def _call(self, method: str, kwargs: Mapping[str, Any]) -> Any:
        client = self._engine.clients.topic_client.client
        arn = self._engine.topic_arn(kwargs["TopicArn"])
        return getattr(client, method)(**{**kwargs, "TopicArn": arn})


def to_name(url_or_arn: str) -> str:
    """Return the name of a queue or topic that is named by any text."""
    name = names.name_of(url_or_arn)
    if fullmatch(r"[A-Za-z0-9_-]{1,80}(\.fifo)?", name) and len(name) <= 80:
        return name
    return sha256(url_or_arn.encode()).hexdigest() + (FIFO_SUFFIX if names.is_fifo(name) else "")
