"""
Lists of queues, a page at a time.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from microcosm_pubsub.broker import names
from microcosm_pubsub.broker.broker import Broker, invalid_value
from microcosm_pubsub.broker.schema import queues
from microcosm_pubsub.broker.sqs.queues import find_queue, iter_sources


MAX_LISTED = 1000


def list_queues(
    broker: Broker,
    QueueNamePrefix: str = "",
    NextToken: str | None = None,
    MaxResults: int | None = None,
) -> dict[str, Any]:
    """Return the URLs of the queues, by name, with a token if there are more."""
    limit = _check_limit(MaxResults)
    with broker.store.begin() as connection:
        found = connection.scalars(
            select(queues.c.name)
            .where(queues.c.name.startswith(QueueNamePrefix, autoescape=True), queues.c.name > (NextToken or ""))
            .order_by(queues.c.name)
            .limit(limit + 1)
        ).all()
    answer: dict[str, Any] = {"QueueUrls": [names.queue_url(name) for name in found[:limit]]} if found else {}
    if MaxResults and len(found) > limit:
        answer["NextToken"] = found[limit - 1]
    return answer


def list_dead_letter_source_queues(
    broker: Broker,
    QueueUrl: str,
    NextToken: str | None = None,
    MaxResults: int | None = None,
) -> dict[str, Any]:
    """Return the URLs of the queues whose redrive policy names a queue, by name, with a token if there are more."""
    limit = _check_limit(MaxResults)
    with broker.store.begin() as connection:
        target = find_queue(connection, QueueUrl)
        found = [queue.name for queue in iter_sources(connection, target) if queue.name > (NextToken or "")]
    answer: dict[str, Any] = {"queueUrls": [names.queue_url(name) for name in found[:limit]]}
    if MaxResults and len(found) > limit:
        answer["NextToken"] = found[limit - 1]
    return answer


def _check_limit(max_results: int | None) -> int:
    if max_results is not None and not 1 <= max_results <= MAX_LISTED:
        raise invalid_value(
            f"Value {max_results} for parameter MaxResults is invalid. Reason: Must be between 1 and {MAX_LISTED}."
        )
    return max_results or MAX_LISTED
