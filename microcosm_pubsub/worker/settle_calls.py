"""
The results of the calls that settle: the entries that the queue refused, and those that the dead-letter queue took.

The client is user code. The handlers ran elsewhere, so that whatever it raises concerns one batch alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from logging import getLogger

from microcosm_pubsub.consumer import GivenUp, Refusal, SQSConsumer, settle_error
from microcosm_pubsub.message import SQSMessage
from microcosm_pubsub.message.raw import BatchAnswer
from microcosm_pubsub.worker.entries import Batch


logger = getLogger("microcosm_pubsub.worker")


def send_dead_letters(consumer: SQSConsumer, messages: Sequence[GivenUp]) -> tuple[list[SQSMessage], list[GivenUp]]:
    """
    Send messages to the dead-letter queue, and return those that it took, and those that stay.

    Those that stay may be taken by the queue's own redrive policy, or by us when they come again.
    """
    try:
        sent, errors = consumer.send_dead_letters(messages)
    except Exception:
        # The client is user code: its failure is that of these messages alone.
        logger.exception("Cannot send %d messages to the dead-letter queue", len(messages))
        return [], list(messages)
    for error in errors:
        logger.error("%s", error)
    return sent, [each for each in messages if each.message not in sent]


def read_refusals(consumer: SQSConsumer, batch: Batch, get: Callable[[], BatchAnswer]) -> list[Refusal]:
    """
    Return the entries of a batch that the queue refused; all of them, if the client raised an error that it should not.
    """
    entries = [(settlement.message, settlement.timeout) for settlement in batch]
    try:
        return consumer.calls.read_refusals(entries, get)
    except Exception as error:
        # The client is user code: its failure is that of these messages alone.
        logger.exception("Cannot settle %d messages", len(batch))
        code = type(error).__name__
        verb = "delete" if batch[0].timeout is None else "nack"
        return [Refusal(entry, settle_error(verb, entry[0], code), try_alone=False, code=code) for entry in entries]
