"""
The embedded broker, as the proxy asks it: by the JSON protocol of SQS, and with a clock that jumps.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/Welcome.html
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from json import dumps
from re import sub
from threading import Lock
from time import time
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from microcosm_pubsub.broker.clients import BrokerClients
from microcosm_pubsub.broker.factory import open_broker
from microcosm_pubsub.dead_letters.reason import Reason
from tests.chaos.ledger import Ledger
from tests.chaos.plan import DEAD_LETTERS, QUEUES, Planned, chunked, to_entry


#: Native redrive would take messages without a reason, and so comes far behind ours.
MAX_RECEIVE_COUNT = 900


@dataclass(frozen=True, slots=True)
class Call:
    """
    One request.

    :param caller: the access key that signed it, which tells the daemon
    """

    operation: str
    caller: str
    parameters: dict[str, Any]

    @property
    def queue(self) -> str:
        """Return the letter of the queue that it is about."""
        return "f" if str(self.parameters.get("QueueUrl", "")).endswith(".fifo") else "s"

    @property
    def entries(self) -> list[dict[str, Any]]:
        """Return the entries of a batch; a single call is a batch of one."""
        return self.parameters.get("Entries") or [self.parameters]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request is answered with."""

    body: dict[str, Any]
    status: int = 200
    code: str | None = None


class Engine:
    """
    Do what requests ask for, and write what matters of it into the ledger.

    :param ledger: the ledger
    :param url: of the broker's database
    """

    def __init__(self, ledger: Ledger, url: str = "sqlite://") -> None:
        self.ledger = ledger
        self.offset = 0.0
        self.jumps = 0
        self.clients = open_broker(url, max_receive_count=MAX_RECEIVE_COUNT, clock=lambda: time() + self.offset)
        self.sqs = self.clients.queue_client
        self.deleted = 0
        #: the message of each receipt handle, and the latest handle of each message
        self._ids: dict[str, str] = {}
        self._latest: dict[str, str] = {}
        self._lock = Lock()
        for name in QUEUES.values():
            self.clients.provision_queue(name)

    def act(self, call: Call) -> Answer:
        """Do what a request asks for."""
        jumps = self.jumps
        if call.operation.startswith("DeleteMessage"):
            self.ledger.write("delete", self.ids_of(call))
        try:
            method = sub(r"(?<=[a-z])(?=[A-Z])", "_", call.operation).lower()
            body = getattr(self.sqs, method)(**call.parameters)
        except ClientError as error:
            return refusal(error.response["Error"]["Code"], error.response["ResponseMetadata"]["HTTPStatusCode"])
        except BotoCoreError as error:
            return refusal("ValidationError", 400, str(error))
        body.pop("ResponseMetadata", None)
        self._note(call, body)
        answer = Answer(body)
        if jumps != self.jumps and (ids := self.ids_of(call, answer)):
            # the clock jumped meanwhile, when the ledger did not know yet that they are in flight
            self.ledger.write("fault", ["clock_jumps", *ids])
        return answer

    def ids_of(self, call: Call, answer: Answer | None = None) -> list[str]:
        """Return the ids of the messages that a request is about, as far as is known by now."""
        if call.operation == "ReceiveMessage":
            return [id_of(message) for message in (answer.body.get("Messages") or ())] if answer else []
        if call.operation.startswith("SendMessage"):
            return [id_of(entry) for entry in call.entries]
        return [self._ids[entry["ReceiptHandle"]] for entry in call.entries if entry.get("ReceiptHandle") in self._ids]

    def jump(self, seconds: float) -> None:
        """Let the clock jump."""
        with self._lock:
            self.offset += seconds
            self.jumps += 1

    def _note(self, call: Call, body: dict[str, Any]) -> None:
        if call.operation == "ReceiveMessage" and body.get("Messages"):
            self._ids.update((message["ReceiptHandle"], id_of(message)) for message in body["Messages"])
            self._latest.update((id_of(message), message["ReceiptHandle"]) for message in body["Messages"])
            self.ledger.write("received", [id_of(message) for message in body["Messages"]])
        elif call.operation.startswith("DeleteMessage"):
            refused = {entry["Id"] for entry in body.get("Failed", ())}
            self._note_deleted([entry["ReceiptHandle"] for entry in call.entries if entry.get("Id") not in refused])
        elif call.operation == "SendMessageBatch":
            sent = {entry["Id"] for entry in body.get("Successful", ())}
            if ids := [id_of(entry) for entry in call.entries if entry["Id"] in sent]:
                self.ledger.write("dead", ids)

    def _note_deleted(self, handles: Sequence[str]) -> None:
        """Note what is gone; by an older handle, nothing is."""
        gone = [self._ids[handle] for handle in handles if self._latest.get(self._ids.get(handle, "")) == handle]
        with self._lock:
            self.deleted += len(gone)
        if gone:
            self.ledger.write("deleted", gone)

    def publish(self, messages: Sequence[Planned]) -> None:
        """Publish messages of one queue."""
        publish(self.clients, self.ledger, messages)

    def close(self) -> None:
        """Close the broker."""
        self.clients.close()


def refusal(code: str, status: int, text: str = "") -> Answer:
    """Return the answer that refuses a request."""
    name = {"AWS.SimpleQueueService.NonExistentQueue": "QueueDoesNotExist"}.get(code, code.rsplit(".", 1)[-1])
    return Answer({"__type": f"com.amazonaws.sqs#{name}", "message": text or code}, status, code)


def id_of(message: dict[str, Any]) -> str:
    """Return the id of a message, as it is received or sent."""
    return str(message["MessageAttributes"]["id"]["StringValue"])


def publish(clients: BrokerClients, ledger: Ledger, messages: Sequence[Planned]) -> None:
    """Publish messages of one queue, and write them into the ledger first: they may be handled at once."""
    for chunk in chunked(messages):
        ledger.write("published", [message.id for message in chunk])
        entries = [to_entry(index, message) for index, message in enumerate(chunk)]
        answer = clients.queue_client.send_message_batch(QueueUrl=QUEUES[chunk[0].id[0]], Entries=entries)
        assert not answer.get("Failed"), dumps(answer["Failed"])


def depth(clients: BrokerClients) -> dict[str, int]:
    """Return how many messages are left in the two queues, visible and hidden."""
    names = {"visible": "ApproximateNumberOfMessages", "hidden": "ApproximateNumberOfMessagesNotVisible"}
    counts = dict.fromkeys(names, 0)
    for queue in QUEUES.values():
        answer = clients.queue_client.get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])
        for key, name in names.items():
            counts[key] += int(answer["Attributes"][name])
    return counts


def read_dead_letters(clients: BrokerClients) -> dict[str, list[tuple[str, str | None]]]:
    """Return the body, and the error or outcome, of all that is in the dead-letter queues, by id; and delete it."""
    found: dict[str, list[tuple[str, str | None]]] = {}
    for queue in DEAD_LETTERS.values():
        while messages := receive_all(clients, queue):
            for message in messages:
                reason = Reason.from_attributes(message["MessageAttributes"])
                known = reason is not None and reason.source and reason.attempts
                why = f"{reason.outcome} {reason.error}" if reason is not None and known else None
                found.setdefault(id_of(message), []).append((message["Body"], why))
            entries = [
                {"Id": str(index), "ReceiptHandle": message["ReceiptHandle"]} for index, message in enumerate(messages)
            ]
            clients.queue_client.delete_message_batch(QueueUrl=queue, Entries=entries)
    return found


def receive_all(clients: BrokerClients, queue: str) -> list[dict[str, Any]]:
    answer = clients.queue_client.receive_message(
        QueueUrl=queue, MaxNumberOfMessages=10, MessageAttributeNames=["All"], VisibilityTimeout=60
    )
    return list(answer.get("Messages") or ())
