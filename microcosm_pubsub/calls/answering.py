"""
The two layers around a service's methods: one sends answers, one keeps them with what the methods wrote.

    [ transaction -> method -> answer into the inbox, with once=True ] -> answer to the queue that the request names
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache, partial
from typing import Any

from microcosm.api import typed

from microcosm_pubsub.calls.errors import INVALID_REQUEST, SERVER_ERROR, RpcError
from microcosm_pubsub.calls.message import MAX_ID_LENGTH, find_problem
from microcosm_pubsub.calls.replies import Answer, AnswerInbox, Reply, ReplyMemory, get_request_id, is_late, write_error
from microcosm_pubsub.clients import find_account_client
from microcosm_pubsub.config import values
from microcosm_pubsub.config.graph import defaults, find_component
from microcosm_pubsub.errors import ConfigurationError
from microcosm_pubsub.graph import PubSubGraph
from microcosm_pubsub.message import SQSMessage
from microcosm_pubsub.registry import HandlerOptions
from microcosm_pubsub.result import MessageHandlingResult, MessageHandlingResultType
from microcosm_pubsub.types import Handler, UnitCall, UnitLayer


#: The name of a queue has at most 80 characters, and the process is named behind the prefix.
PREFIX = re.compile(r"[A-Za-z0-9_-]{1,30}")


class SendAnswers:
    """
    The outer layer, of each handler that gives answers.

    :param reply: sends them
    """

    def __init__(self, reply: Reply) -> None:
        self.reply = reply

    def gauges(self) -> Mapping[str, float]:
        """Return how many answers were sent, had no queue any more, named none of ours, or could not be sent."""
        return {f"answers_{name}": count for name, count in dict(self.reply.counts).items()}

    def for_handler(self, handler: Handler | None, options: HandlerOptions) -> UnitLayer | None:
        """Return the layer that sends a handler's answers; None if it gives none."""
        memory = find_memory(handler)
        if handler is None or memory is None:
            return None
        return ReplyLayer(memory, self.reply, self.reply.find_inbox(handler, options))


class KeepAnswers:
    """
    The inner layer, of each handler that gives answers and handles a message once.

    :param reply: knows its inbox
    """

    def __init__(self, reply: Reply) -> None:
        self.reply = reply

    def for_handler(self, handler: Handler | None, options: HandlerOptions) -> UnitLayer | None:
        """Return the layer that keeps a handler's answers; None if nothing does."""
        memory = find_memory(handler)
        inbox = None if handler is None or memory is None else self.reply.find_inbox(handler, options)
        return None if memory is None or inbox is None else KeepLayer(memory, inbox)


def find_memory(handler: Handler | None) -> ReplyMemory | None:
    """Return the memory of a handler's answers; None if it gives none."""
    memory = getattr(handler, "replies", None)
    return memory if isinstance(memory, ReplyMemory) else None


class ReplyLayer:
    """
    Have the answers of one handler sent before its messages are settled: a unit layer, outside of its transaction.

    :param memory: holds the answers
    :param reply: sends them
    :param inbox: has those that other processes gave; None if nothing has
    """

    def __init__(self, memory: ReplyMemory, reply: Reply, inbox: AnswerInbox | None = None) -> None:
        self.memory = memory
        self.reply = reply
        self.inbox = inbox

    def __call__(self, call_next: UnitCall, messages: Sequence[SQSMessage]) -> list[MessageHandlingResult]:
        """Handle requests, and send their answers."""
        results = call_next(messages)
        for message, result in zip(messages, results, strict=True):
            text = self._find_answer(message, result)
            if text is not None:
                message.outgoing = Answer(self.reply, message, text)
        return results

    def _find_answer(self, message: SQSMessage, result: MessageHandlingResult) -> str | None:
        if message.error is not None or get_request_id(message) is None:
            return None
        if result.retry:
            # The effects of the method are undone, or were never written.
            self.memory.forget(message)
            return write_refusal(message) if result.dead_letter else None
        text = self.memory.find(message)
        if text is None and self.inbox is not None and result.result is MessageHandlingResultType.SKIPPED:
            text = self.inbox.find_answer(message)
        if text is None and result.result is MessageHandlingResultType.EXPIRED and not is_late(message):
            text = write_error(
                message, RpcError(SERVER_ERROR, f"The request went too far: {result.extra.get('reason')}")
            )
        return text


def write_refusal(message: SQSMessage) -> str | None:
    """Return the answer to a request that is given up since it is no call; None if nobody can be told."""
    problem = find_problem(message.content)
    if problem is None or is_late(message) or len(get_request_id(message) or "") > MAX_ID_LENGTH:
        return None
    return write_error(message, RpcError(INVALID_REQUEST, f"The request is no call: {problem}"))


class KeepLayer:
    """
    Keep the answers of one handler: a unit layer, inside of its transaction.

    :param memory: holds the answers
    :param inbox: keeps them
    """

    def __init__(self, memory: ReplyMemory, inbox: AnswerInbox) -> None:
        self.memory = memory
        self.inbox = inbox

    def __call__(self, call_next: UnitCall, messages: Sequence[SQSMessage]) -> list[MessageHandlingResult]:
        """Handle requests, and keep their answers."""
        # Imported here, since a graph without a database knows nothing of transactions.
        from microcosm_pubsub.sql.transaction import current_transaction

        results = call_next(messages)
        transaction = current_transaction()
        assert transaction is not None, "what is handled once has a transaction"
        for message, result in zip(messages, results, strict=True):
            text = None if result.retry or result.raised else self.memory.find(message)
            if text is not None:
                self.inbox.note_answer(transaction, message, text)
        return results


def queue_prefix(value: Any) -> str:
    """Accept what the name of a queue can begin with."""
    text = values.text("pubsub_replies.prefix")(value)
    if not PREFIX.fullmatch(text):
        raise ConfigurationError(
            f"pubsub_replies.prefix is {text!r}, but names of queues begin with it: it must be 1 to 30 letters, "
            "digits, hyphens and underscores"
        )
    return text


@defaults(prefix=typed(queue_prefix, default_value="pubsub-reply-"))
def configure_pubsub_replies(graph: PubSubGraph) -> SendAnswers:
    """Configure the layer that sends the answers of services, bound as `pubsub_replies`."""

    def find_inbox(handler: Handler, options: HandlerOptions) -> AnswerInbox | None:
        transactions = find_component(graph, "pubsub_transactions")
        found: AnswerInbox | None = None if transactions is None else transactions.find_inbox(handler, options)
        return found

    # On Lambda one is made for it, at the first answer.
    get_client = cache(partial(find_account_client, graph))
    return SendAnswers(Reply(get_client, graph.config.pubsub_replies.prefix, find_inbox))


def configure_pubsub_replies_kept(graph: PubSubGraph) -> KeepAnswers:
    """Configure the layer that keeps the answers of services with their writes, bound as `pubsub_replies_kept`."""
    return KeepAnswers(graph.pubsub_replies.reply)
