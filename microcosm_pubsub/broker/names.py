"""
The URLs and ARNs of the broker's queues and topics.

A queue or topic is known by its name, the last part of its URL or ARN, so that those of AWS work unchanged.
"""

from microcosm_pubsub.constants import FIFO_SUFFIX


REGION = "local"
ACCOUNT = "000000000000"


def queue_url(name: str) -> str:
    """Return the URL of a queue."""
    return f"http://broker/{ACCOUNT}/{name}"


def queue_arn(name: str) -> str:
    """Return the ARN of a queue."""
    return f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"


def topic_arn(name: str) -> str:
    """Return the ARN of a topic."""
    return f"arn:aws:sns:{REGION}:{ACCOUNT}:{name}"


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
