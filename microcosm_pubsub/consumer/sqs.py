"""
Receive messages from one queue, and settle them there.

`consume` never raises because of what a message holds: a body that cannot be decoded becomes a message
that says so in `error`, and its neighbours come as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from logging import getLogger

from microcosm_pubsub.backoff import BackoffPolicy, growing
from microcosm_pubsub.clients import CLIENT_ERRORS, QueueClient, error_code
from microcosm_pubsub.clients.batch_calls import split_calls
from microcosm_pubsub.clients.protocols import can_administrate
from microcosm_pubsub.constants import MAX_RECEIVE_MESSAGES, UNKNOWN_MEDIA_TYPE
from microcosm_pubsub.consumer.entries import Entry, GivenUp, Refusal, settle_error, tell_stranded
from microcosm_pubsub.consumer.queue_calls import QueueCalls
from microcosm_pubsub.dead_letters import DeadLetterQueue, DeadLetterSender
from microcosm_pubsub.dead_letters.sources import name_of
from microcosm_pubsub.envelope import SQSEnvelope, blank_message
from microcosm_pubsub.errors import SettleError
from microcosm_pubsub.message import SQSMessage
from microcosm_pubsub.message.raw import RawMessage, ReceiveAnswer


logger = getLogger("microcosm_pubsub.consumer")


class SQSConsumer:
    """
    Receive messages from one queue, and settle them there.

    :param sqs_client: makes the calls
    :param sqs_queue_url: the queue's URL
    :param envelope: turns raw messages into messages
    :param backoff_policy: decides when a nacked message becomes visible again
    :param limit: at most this many messages per receive, 1 to 10
    :param wait_seconds: how long a receive waits for a first message, 0 to 20
    :param dead_letter_queue_url: where messages go that are given up; what the queue's redrive policy says if None
    """

    def __init__(
        self,
        sqs_client: QueueClient,
        sqs_queue_url: str,
        envelope: SQSEnvelope,
        backoff_policy: BackoffPolicy,
        limit: int = MAX_RECEIVE_MESSAGES,
        wait_seconds: int = 5,
        dead_letter_queue_url: str | None = None,
    ) -> None:
        self.sqs_client = sqs_client
        self.sqs_queue_url = sqs_queue_url
        self.calls = QueueCalls(sqs_queue_url, wait_seconds)
        self.envelope = envelope
        self.backoff_policy = backoff_policy
        self.limit = limit
        self.wait_seconds = wait_seconds
        self.dead_letters = DeadLetterSender(
            sqs_client, DeadLetterQueue(sqs_client, sqs_queue_url, dead_letter_queue_url)
        )

    def consume(self) -> list[SQSMessage]:
        """
        Return the next messages, possibly none.

        :raises ReceiveError: if the queue did not answer and another try may succeed
        :raises QueueAccessError: if none can until somebody changes something
        :raises EndOfInput: if a finite source of messages has been read to its end
        """
        return self.receive(self.limit)

    def receive(
        self,
        limit: int,
        visibility_timeout_seconds: int | None = None,
        attempt_id: str | None = None,
    ) -> list[SQSMessage]:
        """
        Return the next messages, possibly none; see `consume` for what it raises.

        :param limit: at most this many messages, 1 to 10
        :param visibility_timeout_seconds: for how long they are hidden; the queue decides if None
        :param attempt_id: names this receive, so that another one with the same name, after this one's answer was
            lost, gives the same messages; of a FIFO queue alone
        """
        call = self.calls.receive(limit, visibility_timeout_seconds, attempt_id)
        return self.read_messages(partial(self.sqs_client.receive_message, **call))

    def read_messages(self, get: Callable[[], ReceiveAnswer]) -> list[SQSMessage]:
        """
        Return the messages of a receive; see `consume` for what it raises.

        :param get: returns the client's answer, or raises its error
        """
        return [self.read(raw) for raw in self.calls.read_received(get)]

    def read(self, raw: RawMessage) -> SQSMessage:
        """
        Return the message that a raw one is; a body that cannot be decoded is said in its `error`.

        :param raw: a message as `receive_message` gives it
        """
        # Schemas and envelopes are user code that reads bytes of others: an error concerns this
        # message alone.
        try:
            return self.envelope.parse_raw_message(self, raw)
        except Exception as error:
            message = blank_message(self, raw)
            message.error = error
            message.media_type = getattr(error, "media_type", None)
            return message

    def ack(self, message: SQSMessage) -> None:
        """
        Delete a message, now.

        :raises DecodeError: if the message could not be decoded: it is not deleted unseen
        :raises SettleError: if the queue did not take it
        """
        # A mock that a test gives in the place of a message has an error and is settled, but neither is real.
        if isinstance(message.error, Exception):
            raise message.error
        if message.settled is True:
            return
        try:
            self.sqs_client.delete_message(
                QueueUrl=self.sqs_queue_url,
                ReceiptHandle=message.receipt_handle,
            )
        except CLIENT_ERRORS as error:
            raise settle_error("delete", message, error_code(error)) from error
        message.settled = True

    def nack(self, message: SQSMessage, visibility_timeout_seconds: int | None = None) -> None:
        """
        Make a message visible again, now or later.

        :param visibility_timeout_seconds: after how many seconds; the backoff policy decides if None
        :raises SettleError: if the queue did not take it
        """
        if message.settled is True:
            return
        try:
            self.sqs_client.change_message_visibility(
                QueueUrl=self.sqs_queue_url,
                ReceiptHandle=message.receipt_handle,
                VisibilityTimeout=self.backoff_seconds(message, visibility_timeout_seconds),
            )
        except CLIENT_ERRORS as error:
            raise settle_error("nack", message, error_code(error)) from error
        message.settled = True

    def ack_batch(self, messages: Iterable[SQSMessage]) -> list[SettleError]:
        """
        Delete messages, at most ten per call, and return an error for each that the queue did not take.

        One that the queue refused for a reason of its own is tried once more, alone. One that could not be
        decoded is not deleted unseen.
        """
        entries: list[Entry] = [(message, None) for message in messages]
        refused = [message for message, _ in entries if message.error is not None]
        return [
            *(settle_error("delete", message, "it could not be decoded") for message in refused),
            *self._settle_batch([entry for entry in entries if entry[0].error is None]),
        ]

    def nack_batch(self, messages: Iterable[tuple[SQSMessage, int | None]]) -> list[SettleError]:
        """
        Make messages visible again, at most ten per call, and return an error for each that was not taken.

        :param messages: each with the seconds after which it becomes visible, or None for the backoff policy's
        """
        return self._settle_batch([(message, self.backoff_seconds(message, timeout)) for message, timeout in messages])

    def dead_letter_batch(self, messages: Iterable[GivenUp]) -> list[SettleError]:
        """
        Send messages to the dead-letter queue, delete those that it took, and return an error for each other one.

        One that it did not take, or that has none to go to, is hidden for twice as long with every receive, so that
        its queue's own redrive policy may take it.
        """
        given_up = list(messages)
        sent, errors = self.send_dead_letters(given_up)
        kept = [each for each in given_up if each.message not in sent]
        return [
            *errors,
            *self._delete_sent(sent),
            *self._settle_batch([(each.message, self.growing_seconds(each.message, each.timeout)) for each in kept]),
        ]

    def _delete_sent(self, messages: Sequence[SQSMessage]) -> list[SettleError]:
        # `ack` would refuse those that nobody can read
        return [
            refusal.error
            for chunk in split_calls([(message, None) for message in messages])
            for refusal in self._settle_chunk(chunk)
        ]

    def send_dead_letters(self, messages: Sequence[GivenUp]) -> tuple[list[SQSMessage], list[SettleError]]:
        """
        Send messages to the dead-letter queue, and return those that it took, and why it did not take others.

        If there is no dead-letter queue, it takes none, and that is no error.
        """
        url = self.dead_letters.queue.find() if messages else None
        if url is None:
            # Files and the like have no such queue, and one that could just not be looked up is told of elsewhere.
            if messages and can_administrate(self.sqs_client) and self.dead_letters.queue.is_missing:
                tell_stranded(messages, self.sqs_queue_url)
            return [], []
        source = self.dead_letters.queue.source
        errors = self.dead_letters.send([(each.message.raw, replace(each.reason, source=source)) for each in messages])
        sent = [each for each, error in zip(messages, errors, strict=True) if error is None]
        for each in sent:
            logger.warning(
                "Sent message %s (%s) to the dead-letter queue %s: %s%s, attempts: %s",
                each.message.message_id,
                each.message.media_type or UNKNOWN_MEDIA_TYPE,
                name_of(url),
                each.reason.outcome,
                f", {each.reason.error}" if each.reason.error else "",
                each.reason.attempts,
            )
        return [each.message for each in sent], [error for error in errors if error is not None]

    def growing_seconds(self, message: SQSMessage, visibility_timeout_seconds: int | None = None) -> int:
        """
        Return for how long a message is hidden that is given up, but did not get into a dead-letter queue.

        It grows only if there is none to go to: one that fails for a moment must not cost hours, nor block a FIFO
        group for that long.

        :param visibility_timeout_seconds: the time that the nack itself asks for, which wins
        """
        seconds = self.backoff_seconds(message, visibility_timeout_seconds)
        if visibility_timeout_seconds is not None or not self.dead_letters.queue.is_missing:
            return seconds
        message.hidden_seconds = growing(seconds, message.approximate_receive_count)
        return message.hidden_seconds

    def _settle_chunk(self, entries: Sequence[Entry]) -> list[Refusal]:
        """Settle messages in one call, and return those that the queue refused."""
        method, call = self.calls.settle(entries)
        return self.calls.read_refusals(entries, partial(getattr(self.sqs_client, method), **call))

    def _settle_batch(self, entries: Sequence[Entry]) -> list[SettleError]:
        pending = [entry for entry in entries if not entry[0].settled]
        errors: list[SettleError] = []
        for chunk in split_calls(pending):
            again = chunk
            if len(chunk) > 1:
                refusals = self._settle_chunk(chunk)
                errors.extend(refusal.error for refusal in refusals if not refusal.try_alone)
                again = [refusal.entry for refusal in refusals if refusal.try_alone]
            for message, timeout in again:
                try:
                    if timeout is None:
                        self.ack(message)
                    else:
                        self.nack(message, timeout)
                except SettleError as error:
                    errors.append(error)
        return errors

    def backoff_seconds(self, message: SQSMessage, visibility_timeout_seconds: int | None = None) -> int:
        """
        Return after how many seconds a nacked message becomes visible, and note it with the message.

        :param visibility_timeout_seconds: the time that the nack itself asks for; the backoff policy decides if None
        """
        # A backoff policy is user code: `int()` rejects None, which an entry would read as "delete".
        seconds = int(self.backoff_policy.compute_backoff_timeout(message, visibility_timeout_seconds))
        message.hidden_seconds = seconds
        return seconds
