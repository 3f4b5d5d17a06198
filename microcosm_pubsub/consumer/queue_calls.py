"""
The calls that consuming makes at one queue: what is asked for, and what the answer says.

Nothing here makes a call. The caller, in this thread or by a worker's reactor, takes the parameters from here, and
gives a function that returns the answer, or raises the client's error.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from microcosm_pubsub.clients import CLIENT_ERRORS, convert_receive_error, error_code
from microcosm_pubsub.clients.batch_calls import read_failures
from microcosm_pubsub.consumer.entries import Entry, Refusal, settle_error
from microcosm_pubsub.message.raw import BatchAnswer, RawMessage, ReceiveAnswer


#: The attributes that SQS is asked for, under the name that every SQS-compatible engine knows.
#: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ReceiveMessage.html
ATTRIBUTES = [
    "ApproximateFirstReceiveTimestamp",
    "ApproximateReceiveCount",
    "AWSTraceHeader",
    "MessageGroupId",
    "SentTimestamp",
    "SequenceNumber",
]


#: Stands for the error code of a call that was answered by nothing that can be read.
NO_ANSWER = "no answer"


@dataclass(frozen=True, slots=True)
class QueueCalls:
    """
    The calls at one queue.

    :param queue_url: the queue's URL
    :param wait_seconds: how long a receive waits for a first message, 0 to 20
    """

    queue_url: str
    wait_seconds: int

    def receive(
        self, limit: int, visibility_timeout_seconds: int | None = None, attempt_id: str | None = None
    ) -> dict[str, Any]:
        """
        Return the parameters of the client's `receive_message`.

        :param limit: at most this many messages, 1 to 10
        :param visibility_timeout_seconds: for how long they are hidden; the queue decides if None
        :param attempt_id: names this receive, on a FIFO queue
        """
        parameters: dict[str, Any] = {
            "QueueUrl": self.queue_url,
            "MaxNumberOfMessages": limit,
            "WaitTimeSeconds": self.wait_seconds,
            "AttributeNames": ATTRIBUTES,
            "MessageAttributeNames": ["All"],
        }
        if visibility_timeout_seconds is not None:
            parameters["VisibilityTimeout"] = visibility_timeout_seconds
        if attempt_id is not None:
            parameters["ReceiveRequestAttemptId"] = attempt_id
        return parameters

    def read_received(self, get: Callable[[], ReceiveAnswer]) -> Sequence[RawMessage]:
        """
        Return the raw messages of a receive.

        :param get: returns the client's answer, or raises its error
        :raises ReceiveError: if the queue did not answer and another try may succeed
        :raises QueueAccessError: if none can until somebody changes something
        :raises EndOfInput: if a finite source of messages has been read to its end
        """
        try:
            return get().get("Messages") or ()
        except CLIENT_ERRORS as error:
            raise convert_receive_error(error, self.queue_url) from error

    def settle(self, entries: Sequence[Entry]) -> tuple[str, dict[str, Any]]:
        """
        Return which method of the client settles messages in one call, and its parameters.

        :param entries: at most ten, all of them to delete, or all of them to hide for a number of seconds
        """
        if entries[0][1] is None:
            return "delete_message_batch", {
                "QueueUrl": self.queue_url,
                "Entries": [
                    {"Id": str(index), "ReceiptHandle": message.receipt_handle}
                    for index, (message, _) in enumerate(entries)
                ],
            }
        return "change_message_visibility_batch", {
            "QueueUrl": self.queue_url,
            "Entries": [
                {"Id": str(index), "ReceiptHandle": message.receipt_handle, "VisibilityTimeout": timeout}
                for index, (message, timeout) in enumerate(entries)
            ],
        }

    def read_refusals(self, entries: Sequence[Entry], get: Callable[[], BatchAnswer]) -> list[Refusal]:
        """
        Return those of some messages that the queue refused to settle; the others know that they are settled.

        :param get: returns the client's answer, or raises its error
        """
        verb = "delete" if entries[0][1] is None else "nack"
        try:
            answer = get()
        except CLIENT_ERRORS as error:
            code = error_code(error)
            return [Refusal(entry, settle_error(verb, entry[0], code), False, code) for entry in entries]
        told: Any = answer
        if not isinstance(told, Mapping):
            # A test's mock, which answers with another one, is asked by single calls.
            return [Refusal(entry, settle_error(verb, entry[0], NO_ANSWER), True, NO_ANSWER) for entry in entries]
        if not answer.get("Failed"):
            for message, _ in entries:
                message.settled = True
            return []
        failures = read_failures(answer)
        refusals = []
        for index, entry in enumerate(entries):
            failure = failures.get(str(index))
            if failure is None:
                entry[0].settled = True
            else:
                refused = settle_error(verb, entry[0], failure.code)
                refusals.append(Refusal(entry, refused, not failure.is_sender_fault, failure.code))
        return refusals
