"""
The search for the dead-letter queue of a queue.

It is what configuration says, else what the queue's redrive policy says, if that may be read. It is looked up when it
is first needed: consuming needs no right to read a queue's attributes, and a daemon that never fails never asks.
"""

from __future__ import annotations

from collections.abc import Callable
from json import loads
from logging import getLogger
from threading import Lock
from time import monotonic
from urllib.parse import urlsplit

from microcosm_pubsub.clients import CLIENT_ERRORS, LASTING_ERRORS, error_code, explain_code
from microcosm_pubsub.clients.protocols import AdminQueueClient, QueueClient, can_administrate
from microcosm_pubsub.config.fork import renew_lock_in_child
from microcosm_pubsub.errors import ConfigurationError


#: Queues without a known dead-letter queue are looked at again after this many seconds, as their policies seldom
#: change.
LOOK_AGAIN_SECONDS = 300.0

#: The queue is looked at again this many seconds after an error that may pass.
TRY_AGAIN_SECONDS = 10.0

RIGHTS = "sqs:GetQueueAttributes on it, and sqs:GetQueueUrl on its dead-letter queue"


class DeadLetterQueue:
    """
    Know the dead-letter queue of a queue.

    :param client: boto3's SQS client, or one like it
    :param source_url: the URL of the queue
    :param url: of the dead-letter queue, if configuration tells
    :param clock: measures time, in seconds
    :raises ConfigurationError: if the queue is its own dead-letter queue
    """

    logger = getLogger("microcosm_pubsub.dead_letters")

    def __init__(
        self,
        client: QueueClient,
        source_url: str,
        url: str | None = None,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        if url and url == source_url:
            raise ConfigurationError(f"The queue {source_url} cannot be its own dead-letter queue; name another one")
        self.client = client
        self.source_url = source_url
        self.configured_url = url or None
        self.clock = clock
        self._lock = Lock()
        renew_lock_in_child(self, "_lock")
        self._look_at: float | None = None
        self._found_url: str | None = None
        #: Whether the last look failed for a reason that may pass.
        self._unsure = False
        self._arn: str | None = None

    @property
    def source(self) -> str:
        """Return the ARN of the queue if it is known by now, else its URL."""
        return self._arn or self.source_url

    def find(self) -> str | None:
        """Return the URL of the dead-letter queue, or None if nobody tells; the calls are made at most once."""
        if self.configured_url is not None:
            return self.configured_url
        if self._found_url is not None:
            return self._found_url
        with self._lock:
            if self._found_url is None and (self._look_at is None or self.clock() >= self._look_at):
                wait, self._unsure = LOOK_AGAIN_SECONDS, False
                try:
                    self._found_url = self._look_up()
                except CLIENT_ERRORS as error:
                    code = error_code(error)
                    self._unsure = code not in LASTING_ERRORS
                    wait = TRY_AGAIN_SECONDS if self._unsure else LOOK_AGAIN_SECONDS
                    why = explain_code(code, RIGHTS)
                    self.logger.warning("Cannot read the redrive policy of %s: %s", self.source_url, why)
                self._look_at = self.clock() + wait
            return self._found_url

    @property
    def is_missing(self) -> bool:
        """Return whether there is none, as far as anybody may know; not if it could just not be looked up."""
        return self.find() is None and not self._unsure

    def _look_up(self) -> str | None:
        if not can_administrate(self.client):
            return None
        answer = self.client.get_queue_attributes(
            QueueUrl=self.source_url, AttributeNames=["QueueArn", "RedrivePolicy"]
        )
        attributes = answer.get("Attributes") or {}
        if not attributes:
            # Every queue has an ARN: an answer without one says nothing of the policy.
            raise KeyError("Attributes")
        self._arn = attributes.get("QueueArn") or self._arn
        target = target_of_policy(attributes.get("RedrivePolicy"))
        return None if target is None else self._url_of(self.client, target)

    def _url_of(self, client: AdminQueueClient, arn: str) -> str:
        name, account = arn.split(":")[-1], arn.split(":")[-2]
        try:
            return str(client.get_queue_url(QueueName=name, QueueOwnerAWSAccountId=account)["QueueUrl"])
        except CLIENT_ERRORS as error:
            derived = sibling_url(self.source_url, name)
            if derived is None or "AccessDenied" not in error_code(error):
                raise
            return derived


def target_of_policy(policy: str | None) -> str | None:
    """Return the ARN of the dead-letter queue that a redrive policy names, if it does."""
    try:
        arn = loads(policy or "")["deadLetterTargetArn"]
    except (KeyError, TypeError, ValueError):
        return None
    return arn if isinstance(arn, str) and arn.count(":") >= 5 else None


def sibling_url(queue_url: str, name: str) -> str | None:
    """
    Return the URL of a queue beside another one, which has to be of the same account and region.

    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-dead-letter-queues.html
    """
    head, slash, _ = queue_url.rpartition("/")
    return f"{head}/{name}" if slash and urlsplit(head).netloc else None
