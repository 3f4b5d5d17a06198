"""
The URLs and ARNs of the broker's queues and topics.

A queue or topic is known by its name, the last part of its URL or ARN, so that those of AWS work unchanged. Which URLs
and regions a caller sees depends on how it calls: a program in the broker's process sees `HOME`, one that calls over
HTTP sees the host and the region that it named itself. ARNs and URLs are stored and compared as those of `HOME`.
"""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass

from microcosm_pubsub.constants import FIFO_SUFFIX


ACCOUNT = "000000000000"


@dataclass(frozen=True, slots=True)
class Place:
    """
    The place of the broker, as a caller sees it.

    :param url: with which the URLs of queues begin
    :param region: of the ARNs
    """

    url: str
    region: str


#: The place of the broker for a program that opens the database; nothing listens there.
HOME = Place("http://broker", "local")

#: The place of the broker for the caller of the call under way.
place: ContextVar[Place] = ContextVar("pubsub_broker_place", default=HOME)


def queue_url(name: str) -> str:
    """Return the URL of a queue."""
    return f"{place.get().url}/{ACCOUNT}/{name}"


def queue_arn(name: str) -> str:
    """Return the ARN of a queue."""
    return f"arn:aws:sqs:{place.get().region}:{ACCOUNT}:{name}"


def topic_arn(name: str) -> str:
    """Return the ARN of a topic."""
    return f"arn:aws:sns:{place.get().region}:{ACCOUNT}:{name}"


def stored_queue_arn(name: str) -> str:
    """Return the ARN under which a queue is stored, wherever it is called from."""
    return f"arn:aws:sqs:{HOME.region}:{ACCOUNT}:{name}"


def shown_queue_arn(arn: str) -> str:
    """Return a stored ARN of a queue as the caller sees it."""
    return queue_arn(name_of(arn))


def name_of(url_or_arn: str) -> str:
    """Return the name that ends a URL or an ARN, or that is given as it is."""
    return url_or_arn.rsplit("/", 1)[-1].rsplit(":", 1)[-1]


def is_fifo(name: str) -> bool:
    """Return whether a name is that of a FIFO queue or topic."""
    return name.endswith(FIFO_SUFFIX)


def dead_letter_queue_name(name: str) -> str:
    """Return the name of the dead-letter queue of a queue that we provision."""
    base = name.removesuffix(FIFO_SUFFIX)
    return f"{base}-dead-letters{name[len(base) :]}"
