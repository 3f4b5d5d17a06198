"""
Receives that wait for a first message.
"""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import Any

from microcosm_pubsub.broker import names
from microcosm_pubsub.broker.broker import Broker
from microcosm_pubsub.broker.sqs.moving import advance_if_due
from microcosm_pubsub.broker.sqs.receiving import Received, receive_and_delete_now, receive_now


def receive_message(broker: Broker, **parameters: Any) -> dict[str, Any]:
    """Receive messages, waiting for a first one if asked to."""
    return _wait(broker, _receive, parameters)


def _receive(broker: Broker, **parameters: Any) -> Received:
    advance_if_due(broker)
    return receive_now(broker, **parameters)


def receive_and_delete(broker: Broker, **parameters: Any) -> dict[str, Any]:
    """
    Receive messages of a standard queue, and delete them at once, for who has no use for them a second time.

    That is no operation of SQS. It takes what ReceiveMessage takes, of `QueueUrl`, `MaxNumberOfMessages` and
    `WaitTimeSeconds`.
    """
    return _wait(broker, receive_and_delete_now, parameters)


def _wait(broker: Broker, receive: Callable[..., Received], parameters: dict[str, Any]) -> dict[str, Any]:
    notifier, name = broker.notifier, names.name_of(parameters["QueueUrl"])
    interruptions = notifier.interruptions
    heard = notifier.hear(name)
    deadline: float | None = None
    with heard.listening() as news:
        # A look that is known to be in vain would keep others from the database, but an attempt may be another's again.
        wait_seconds = 0 if "ReceiveRequestAttemptId" in parameters else parameters.get("WaitTimeSeconds", 0)
        if wait_seconds and (quiet := heard.find_quiet_seconds(broker.now())):
            deadline = monotonic() + wait_seconds
            notifier.wait(news, deadline, quiet)
            if notifier.interruptions != interruptions:
                return {}
        while True:
            news.clear()
            count = heard.count
            received = receive(broker, **parameters)
            if received.is_all:
                heard.note_quiet(count, notifier.net_seconds, received.next_at)
            elif received.messages:
                # there may be more, for somebody else who waits
                news.set()
            if deadline is None:
                deadline = monotonic() + received.wait_seconds
            due = None if received.next_at is None else (received.next_at - broker.now()) / 1000
            waited = not received.messages and notifier.wait(news, deadline, due)
            if not waited or notifier.interruptions != interruptions:
                return received.to_answer()
