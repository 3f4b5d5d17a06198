"""
The queues of an account: which of them is whose dead-letter queue, and where a dead letter came from.

A program that may write to a dead-letter queue may write into a message where it came from. So a message names a queue
of the dead-letter queue's own account at most, by its name: no URL that stands in a message is ever called.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from microcosm_pubsub.clients import CLIENT_ERRORS, error_code
from microcosm_pubsub.clients.protocols import AdminQueueClient
from microcosm_pubsub.dead_letters.letter import Letter
from microcosm_pubsub.dead_letters.queue import target_of_policy
from microcosm_pubsub.errors import ConfigurationError


ATTRIBUTES = [
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesDelayed",
    "ApproximateNumberOfMessagesNotVisible",
    "QueueArn",
    "RedrivePolicy",
]


@dataclass(frozen=True, slots=True)
class QueueInfo:
    """
    Show a queue.

    :param visible: how many messages can be received, about
    :param hidden: how many are received and not deleted, about
    :param delayed: how many can be received later, about
    :param target_arn: the ARN of its dead-letter queue, if any
    """

    url: str
    arn: str
    visible: int
    hidden: int
    delayed: int
    target_arn: str | None

    @property
    def name(self) -> str:
        """Return the queue's name."""
        return name_of(self.url)


def name_of(url_or_arn: str) -> str:
    """Return the name that ends a URL or an ARN of a queue."""
    return url_or_arn.rsplit("/", 1)[-1].rsplit(":", 1)[-1]


def account_of(url_or_arn: str) -> str | None:
    """Return the account that a URL or an ARN of a queue names, if it does."""
    parts = url_or_arn.replace("/", ":").split(":")
    return parts[-2] if len(parts) > 3 and parts[-2] else None


def describe_queue(client: AdminQueueClient, queue_url: str) -> QueueInfo:
    """Return the facts about a queue."""
    attributes = client.get_queue_attributes(QueueUrl=queue_url, AttributeNames=ATTRIBUTES).get("Attributes") or {}
    visible, delayed, hidden = (int(attributes.get(name, 0)) for name in ATTRIBUTES[:3])
    target = target_of_policy(attributes.get("RedrivePolicy"))
    return QueueInfo(queue_url, attributes.get("QueueArn", ""), visible, hidden, delayed, target)


def iter_queues(client: AdminQueueClient, prefix: str = "") -> Iterator[QueueInfo]:
    """Iterate over the queues whose names begin with a prefix."""
    more: dict[str, Any] = {"QueueNamePrefix": prefix} if prefix else {}
    while True:
        # Without a limit AWS gives the first thousand, and no token for more.
        answer = client.list_queues(MaxResults=1000, **more)
        for url in answer.get("QueueUrls") or ():
            try:
                yield describe_queue(client, url)
            except CLIENT_ERRORS as error:
                # The queue was deleted in the meantime.
                if "NonExistentQueue" not in error_code(error) and "DoesNotExist" not in error_code(error):
                    raise
        if not answer.get("NextToken"):
            return
        more["NextToken"] = answer["NextToken"]


def find_dead_letter_queue(client: AdminQueueClient) -> str:
    """
    Return the URL of the account's only dead-letter queue.

    :raises ConfigurationError: if there is none, or more than one
    """
    targets = sorted({queue.target_arn for queue in iter_queues(client) if queue.target_arn is not None})
    if len(targets) != 1:
        known = ", ".join(map(name_of, targets)) or "there is none that a redrive policy names"
        raise ConfigurationError(f"Which dead-letter queue? Name it with --queue-url: {known}")
    return str(client.get_queue_url(QueueName=name_of(targets[0]))["QueueUrl"])


class Targets:
    """
    Know to which queues the messages of a dead-letter queue are sent back.

    :param client: boto3's SQS client, or one like it
    :param queue: the dead-letter queue
    :param to: the URL of the queue for all of them, if they are not to go back to where they came from
    """

    def __init__(self, client: AdminQueueClient, queue: QueueInfo, to: str | None = None) -> None:
        self.client = client
        self.queue = queue
        self.to = to
        self._known: dict[str | None, tuple[str | None, str]] = {}

    def find(self, letter: Letter) -> tuple[str | None, str]:
        """Return the URL of the queue to send a message to, or None and why there is none."""
        if self.to is not None:
            return self.to, ""
        if letter.source not in self._known:
            self._known[letter.source] = self._look_up(letter.source)
        return self._known[letter.source]

    def find_default(self) -> str | None:
        """Return the URL of the only queue whose dead-letter queue this is."""
        if self.to is not None:
            return self.to
        try:
            urls = self.client.list_dead_letter_source_queues(QueueUrl=self.queue.url).get("queueUrls") or []
        except (AttributeError, *CLIENT_ERRORS):
            return None
        return str(urls[0]) if len(urls) == 1 else None

    def _look_up(self, source: str | None) -> tuple[str | None, str]:
        if source is None:
            default = self.find_default()
            return default, "" if default else "nobody tells where it came from; name a queue with --to"
        name, account = name_of(source), account_of(source)
        own = account_of(self.queue.arn) or account_of(self.queue.url)
        if account is not None and account != own:
            return None, "it came from another account; name a queue with --to"
        if name == self.queue.name:
            return None, "it came from the dead-letter queue itself; name a queue with --to"
        try:
            return str(self.client.get_queue_url(QueueName=name)["QueueUrl"]), ""
        except CLIENT_ERRORS as error:
            return None, f"its source queue cannot be found ({error_code(error)}); name a queue with --to"
