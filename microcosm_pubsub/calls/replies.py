"""
The answers of services: written, remembered until nobody can ask again, and sent before a request is settled.

    request -> transaction (method) -> answer to the queue that it names -> settled

A request whose answer could not be sent is received again, and answered from memory; or by another process, from its
inbox, where its method handles a message once. The queue is named by its name alone, which must begin as configuration
says: a request cannot make a service write anywhere else.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from json import dumps
from logging import getLogger
from threading import Lock
from time import time
from typing import Any, Protocol

from botocore.exceptions import ClientError
from marshmallow import ValidationError

from microcosm_pubsub.calls.combiner import Combiner, Done
from microcosm_pubsub.calls.errors import INTERNAL_ERROR, RpcError
from microcosm_pubsub.calls.message import VERSION
from microcosm_pubsub.calls.plain import to_plain
from microcosm_pubsub.clients import CLIENT_ERRORS, error_code
from microcosm_pubsub.clients.protocols import AdminQueueClient
from microcosm_pubsub.codecs.codec import ENCODING_ERRORS
from microcosm_pubsub.config.fork import renew_lock_in_child
from microcosm_pubsub.errors import Nack, article
from microcosm_pubsub.message import SQSMessage
from microcosm_pubsub.registry import HandlerOptions
from microcosm_pubsub.types import Handler


logger = getLogger(__name__)

#: The most bytes that a queue takes in one message.
#: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html
MAX_REPLY_BYTES = 1024 * 1024

#: So many answers are remembered, of this length together; those whose requests have no deadline for these seconds.
MAX_REMEMBERED = 10_000
MAX_REMEMBERED_LENGTH = 64 * 1024 * 1024
DEFAULT_SECONDS = 60.0

#: A request comes again after this many seconds if another thread is at it, or its answer could not be sent.
BUSY_SECONDS = 1

NOTHING: tuple[float, str | None] = (0.0, None)
NO_QUEUE = frozenset({"AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist"})


class ReplyMemory:
    """
    Remember the answers to requests, by their ids, until their deadlines.

    :param now: tells the time of day, in seconds since the epoch
    """

    def __init__(self, now: Callable[[], float] = time) -> None:
        self.now = now
        self._lock = Lock()
        renew_lock_in_child(self, "_lock")
        # Deadline and answer by the id of the request; the answer is None while it is being made.
        self._replies: dict[str, tuple[float, str | None]] = {}
        self._length = 0

    def begin(self, message: SQSMessage) -> bool:
        """
        Return whether to carry out a request: not if it was before.

        :raises Nack: if another thread is at it
        """
        request_id = get_request_id(message)
        if request_id is None:
            return True
        with self._lock:
            self._forget_old()
            until, text = self._replies.get(request_id, NOTHING)
            if until > self.now():
                if text is None:
                    raise Nack(BUSY_SECONDS, reason="The same request is being answered")
                return False
            self._put(request_id, message, None)
            return True

    def end(self, message: SQSMessage, text: str) -> None:
        """Remember the answer to a request."""
        request_id = get_request_id(message)
        if request_id is not None:
            with self._lock:
                self._put(request_id, message, text)

    def forget(self, message: SQSMessage) -> None:
        """Let a request be carried out when it comes again."""
        request_id = get_request_id(message)
        if request_id is not None:
            with self._lock:
                self._drop(request_id)

    def find(self, message: SQSMessage) -> str | None:
        """Return the answer to a request, if it is there."""
        with self._lock:
            # No request has an empty id.
            return self._replies.get(get_request_id(message) or "", NOTHING)[1]

    def _put(self, request_id: str, message: SQSMessage, text: str | None) -> None:
        self._drop(request_id)
        self._length += len(text or "")
        deadline = message.content.get("deadline")
        self._replies[request_id] = (self.now() + DEFAULT_SECONDS if deadline is None else float(deadline), text)

    def _drop(self, request_id: str) -> None:
        self._length -= len(self._replies.pop(request_id, NOTHING)[1] or "")

    def _forget_old(self) -> None:
        now = self.now()
        while self._replies:
            # The oldest were put in first.
            oldest, (until, _) = next(iter(self._replies.items()))
            if until > now and len(self._replies) < MAX_REMEMBERED and self._length <= MAX_REMEMBERED_LENGTH:
                return
            self._drop(oldest)


class AnswerInbox(Protocol):
    """Keeps the answers of one handler in a database."""

    def note_answer(self, transaction: Any, message: SQSMessage, text: str) -> None: ...

    def find_answer(self, message: SQSMessage) -> str | None: ...


#: Returns that of a handler; None if nothing keeps its answers.
FindInbox = Callable[[Handler, HandlerOptions], AnswerInbox | None]


class Reply:
    """
    Send the answers to requests.

    :param get_client: returns the client of the account's queues, which a graph without services need not have
    :param prefix: with which the names of queues begin to which answers may go
    :param find_inbox: returns what knows of a handler's requests in other processes, if something does
    """

    def __init__(
        self,
        get_client: Callable[[], AdminQueueClient],
        prefix: str,
        find_inbox: FindInbox = lambda handler, options: None,
    ) -> None:
        self.find_inbox = find_inbox
        self.get_client = get_client
        self.prefix = prefix
        self.names = re.compile(rf"{re.escape(prefix)}[A-Za-z0-9_-]{{1,80}}")
        #: The numbers of answers that were sent, whose queue was gone, or none of ours (refused), or that failed.
        self.counts: Counter[str] = Counter()
        self._urls: dict[str, str] = {}
        self._combiner = Combiner(self._send_all, lambda answer: len(answer[1]), "pubsub-answers")

    def begin(self, message: SQSMessage, text: str, done: Done, has_more: bool = False) -> None:
        """
        Send an answer to the queue that its request names, or have it sent.

        :param done: is called when that is done, in any thread, with None, or with a `Nack` if it could not be done now
        :param has_more: whether the thread that calls has more to do, and is not to wait
        """
        name = message.content.get("reply_to") or message.content.get("replyTo")
        if not isinstance(name, str) or not self.names.fullmatch(name):
            self.counts["refused"] += 1
            logger.warning(
                "The answer to message %s (%.100s) was not sent: it is wanted in %.100r, no queue beginning with %s",
                *(message.message_id, message.content["method"], name, self.prefix),
            )
            done(None)
            return
        self._combiner.begin((name, text), lambda error: done(self._judge(name, error)), has_more)

    def _judge(self, name: str, error: Exception | None) -> Exception | None:
        """Return the error of a request whose answer was sent, or was not."""
        if error is None:
            self.counts["sent"] += 1
            return None
        if not isinstance(error, CLIENT_ERRORS):
            return error
        self._urls.pop(name, None)
        if error_code(error) in NO_QUEUE:
            self.counts["gone"] += 1
            logger.info("An answer has nobody who would read it: queue %s is gone", name)
            return None
        self.counts["failed"] += 1
        nack = Nack(BUSY_SECONDS, reason=f"The answer could not be sent to {name}: {error_code(error)}")
        nack.__cause__ = error
        return nack

    def _send_all(self, answers: Sequence[tuple[str, str]]) -> list[Exception | None]:
        """Send answers, those to one queue in one call, and return for each why it was not sent."""
        errors: dict[int, Exception] = {}
        by_name: dict[str, list[int]] = {}
        for index, (name, _) in enumerate(answers):
            by_name.setdefault(name, []).append(index)
        for name, indexes in by_name.items():
            # A caller that is gone must not cost the others their answers.
            try:
                refused = self._send_to(name, {str(index): answers[index][1] for index in indexes})
            except CLIENT_ERRORS as error:
                errors.update(dict.fromkeys(indexes, error))
            else:
                errors.update(refused)
        return [errors.get(index) for index in range(len(answers))]

    def _send_to(self, name: str, texts: Mapping[str, str]) -> dict[int, Exception]:
        entries = [{"Id": index, "MessageBody": text} for index, text in texts.items()]
        answer = self.get_client().send_message_batch(QueueUrl=self._find_url(name), Entries=entries)
        return {
            int(entry["Id"]): ClientError({"Error": {"Code": str(entry.get("Code"))}}, "SendMessageBatch")
            for entry in answer.get("Failed") or ()
        }

    def _find_url(self, name: str) -> str:
        url = self._urls.get(name)
        if url is None:
            if len(self._urls) >= MAX_REMEMBERED:
                self._urls.clear()
            url = self._urls[name] = str(self.get_client().get_queue_url(QueueName=name)["QueueUrl"])
        return url


class Answer:
    """
    The answer to a request, on its way.

    :param reply: sends it
    """

    __slots__ = ("message", "reply", "text")

    def __init__(self, reply: Reply, message: SQSMessage, text: str) -> None:
        self.reply = reply
        self.message = message
        self.text = text

    def begin(self, done: Done, has_more: bool = False) -> None:
        """Send it, or have it sent; see `Reply.begin`."""
        self.reply.begin(self.message, self.text, done, has_more)


def get_request_id(message: SQSMessage) -> str | None:
    """Return the id of a request; None if it wants no answer."""
    request_id = message.content.get("id")
    return request_id if isinstance(request_id, str) else None


def is_late(message: SQSMessage) -> bool:
    """Return whether nobody waits for the answer to a request any more."""
    deadline = message.content.get("deadline")
    return deadline is not None and time() >= deadline


def write_result(message: SQSMessage, value: Any, field: Any = None) -> str:
    """
    Return an answer's text.

    :param field: writes the value; None if it is as JSON says it
    :raises RpcError: if it cannot be written, or is too long
    """
    try:
        result = to_plain(value) if field is None else field.serialize("result", {"result": value})
        text = dumps({"jsonrpc": VERSION, "id": get_request_id(message), "result": result}, allow_nan=False)
    except (ValidationError, *ENCODING_ERRORS) as error:
        raise RpcError(
            INTERNAL_ERROR,
            f"The result, {article(value)}, cannot be written as JSON ({error}): annotate what the method "
            "returns, or return something else",
        ) from error
    if len(text) > MAX_REPLY_BYTES:
        raise RpcError(INTERNAL_ERROR, f"The result is {len(text)} bytes long, and a queue takes {MAX_REPLY_BYTES}")
    return text


def write_error(message: SQSMessage, error: RpcError) -> str:
    """Return the text of an answer that is an error; its data is left out if it cannot be written, or is too long."""
    answer: dict[str, Any] = {"jsonrpc": VERSION, "id": get_request_id(message)}
    try:
        whole = RpcError(error.code, error.message, to_plain(error.data))
        text = dumps({**answer, "error": whole.to_dict()}, allow_nan=False)
        if len(text) <= MAX_REPLY_BYTES:
            return text
        problem = f"it is {len(text)} bytes long, and a queue takes {MAX_REPLY_BYTES}"
    except ENCODING_ERRORS as failure:
        problem = str(failure)
    # The text of a method's error may be anything, of any length.
    plain = RpcError(error.code, error.message[:1000])
    logger.warning("The error %d %s goes to its caller without its data: %s", plain.code, plain.message, problem)
    return dumps({**answer, "error": plain.to_dict()})
