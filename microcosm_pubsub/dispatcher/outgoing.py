"""
What a message that was handled has to send before it is settled, such as its answer; and the result if that fails.
"""

from __future__ import annotations

from concurrent.futures import Future

from microcosm_pubsub.dispatcher.reason import stays
from microcosm_pubsub.dispatcher.unit import judge
from microcosm_pubsub.message import SQSMessage
from microcosm_pubsub.result import MessageHandlingResult


def send_outgoing(message: SQSMessage, result: MessageHandlingResult) -> MessageHandlingResult:
    """Send what a handled message has to send, if it has anything, wait for that, and return its result then."""
    outgoing, message.outgoing = message.outgoing, None
    if outgoing is None:
        return result
    sent: Future[Exception | None] = Future()
    outgoing.begin(sent.set_result)
    error = sent.result()
    return result if error is None else refuse_outgoing(message, result, error)


def refuse_outgoing(message: SQSMessage, result: MessageHandlingResult, error: Exception) -> MessageHandlingResult:
    """
    Return the result of a handled message whose answer was not sent.

    :param result: that of its handler
    :param error: why it was not
    """
    refused = MessageHandlingResult.from_error(message, error)
    refused.elapsed_time, refused.handle_start_time = result.elapsed_time, result.handle_start_time
    if stays(message, refused):
        judge(message, refused)
    return refused
