"""
The reply queues of an account: made, and removed when their process is gone.

    pubsub-reply-<machine>-<pid>-<random>

A queue is surely nobody's if its name tells this machine, and a process that is not there. One of another machine is
taken for nobody's when it was not touched for a day; a process that calls touches its own every hour. A queue whose
name has another form is none of these, however it begins: a prefix may be that of other queues too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from logging import getLogger
from os import getpid, kill, readlink
from pathlib import Path
from socket import gethostname
from time import time
from uuid import uuid4

from microcosm_pubsub.calls.errors import CallError
from microcosm_pubsub.calls.replies import NO_QUEUE
from microcosm_pubsub.clients import CLIENT_ERRORS, error_code
from microcosm_pubsub.clients.protocols import AdminQueueClient


logger = getLogger(__name__)

#: An answer that nobody reads is kept for this time, in seconds.
RETENTION_SECONDS = 300

#: A queue is taken for nobody's when its attributes were last changed this long ago, in seconds.
MAX_AGE_SECONDS = 24 * 60 * 60

#: A process touches its own queue at most this often, in seconds.
TOUCH_SECONDS = 60 * 60


#: The name of a reply queue behind the prefix, as `ReplyQueues.create` makes it.
OWNER = re.compile(r"(?P<machine>[0-9a-f]{10})-(?P<pid>[0-9]+)-[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class FoundQueue:
    """
    A reply queue of the account.

    :param age_seconds: since its attributes were changed last
    :param is_dead: whether its process is gone: True or False if that is known, as it is of this machine's; else None
    """

    name: str
    url: str
    age_seconds: float
    is_dead: bool | None

    def is_nobodys(self, max_age_seconds: float) -> bool:
        """Return whether nobody reads it: by its process, or else by its age."""
        return self.age_seconds >= max_age_seconds if self.is_dead is None else self.is_dead


class ReplyQueues:
    """
    Make and remove reply queues.

    :param client: of the account's queues
    :param prefix: with which their names begin
    :param now: tells the time of day, in seconds since the epoch
    """

    def __init__(self, client: AdminQueueClient, prefix: str, now: Callable[[], float] = time) -> None:
        self.client = client
        self.prefix = prefix
        self.now = now
        self.own_name: str | None = None
        self._touched_at = 0.0

    def create(self) -> tuple[str, str]:
        """
        Make a queue for this process, and return its name and its URL.

        :raises CallError: if it cannot be made
        """
        name = f"{self.prefix}{get_machine()}-{getpid()}-{uuid4().hex[:12]}"
        attributes = {"MessageRetentionPeriod": str(RETENTION_SECONDS), "VisibilityTimeout": "30"}
        try:
            url = str(self.client.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"])
        except CLIENT_ERRORS as error:
            raise CallError(
                f"Cannot make the reply queue {name}: {error}; callers need sqs:CreateQueue, "
                f"sqs:SetQueueAttributes and sqs:DeleteQueue on {self.prefix}*"
            ) from error
        self._touched_at = self.now()
        self.own_name = name
        return name, url

    def touch(self, url: str) -> bool:
        """Show that a queue is somebody's, now and then, and return whether it is there, as far as is known."""
        if self.now() - self._touched_at < TOUCH_SECONDS:
            return True
        self._touched_at = self.now()
        try:
            self.client.set_queue_attributes(
                QueueUrl=url, Attributes={"MessageRetentionPeriod": str(RETENTION_SECONDS)}
            )
        except CLIENT_ERRORS as error:
            return error_code(error) not in NO_QUEUE
        return True

    def delete(self, url: str) -> None:
        """Delete a queue, if that can be done."""
        try:
            self.client.delete_queue(QueueUrl=url)
        except CLIENT_ERRORS as error:
            logger.info("Cannot delete the reply queue %s: %s", url, error_code(error))

    def find(self) -> Iterator[FoundQueue]:
        """Iterate over the reply queues of the account that processes have made."""
        token: dict[str, str] = {}
        while True:
            answer = self.client.list_queues(QueueNamePrefix=self.prefix, MaxResults=1000, **token)
            for url in answer.get("QueueUrls") or ():
                name = url.rpartition("/")[2]
                owner = OWNER.fullmatch(name.removeprefix(self.prefix))
                if owner is not None and (age_seconds := self._find_age(url)) is not None:
                    yield FoundQueue(name, url, age_seconds, is_dead(owner["machine"], int(owner["pid"])))
            if not answer.get("NextToken"):
                return
            token = {"NextToken": answer["NextToken"]}

    def clean(self, max_age_seconds: float = MAX_AGE_SECONDS) -> list[FoundQueue]:
        """
        Remove the queues that are nobody's, and return them.

        :param max_age_seconds: delete those of other machines that were not touched for this long
        :raises Exception: what the client raises, if that is not allowed, or cannot be done now
        """
        others = (queue for queue in self.find() if queue.name != self.own_name)
        gone = [queue for queue in others if queue.is_nobodys(max_age_seconds)]
        return [queue for queue in gone if self._remove(queue)]

    def clean_quietly(self) -> None:
        """Remove the queues that are nobody's, if that is allowed."""
        try:
            removed = self.clean()
        except CLIENT_ERRORS as error:
            logger.debug("Cannot remove old reply queues: %s", error_code(error))
            return
        except Exception:
            # A client of somebody's own may raise anything, and a thread of ours does nothing but this.
            logger.warning("Cannot look for reply queues that are nobody's", exc_info=True)
            return
        if removed:
            logger.info("Removed %d reply queues of processes that are gone", len(removed))

    def _remove(self, queue: FoundQueue) -> bool:
        """Remove a queue, and return whether it was there."""
        try:
            self.client.delete_queue(QueueUrl=queue.url)
        except CLIENT_ERRORS as error:
            if error_code(error) in NO_QUEUE:
                return False
            raise
        return True

    def _find_age(self, url: str) -> float | None:
        """Return how long ago a queue was touched, in seconds; None if somebody has removed it meanwhile."""
        try:
            answer = self.client.get_queue_attributes(QueueUrl=url, AttributeNames=["LastModifiedTimestamp"])
        except CLIENT_ERRORS as error:
            if error_code(error) in NO_QUEUE:
                return None
            raise
        changed_at = float((answer.get("Attributes") or {}).get("LastModifiedTimestamp") or self.now())
        return self.now() - changed_at


def is_dead(machine: str, pid: int) -> bool | None:
    """Return whether a process is gone; None if that is not known, as it is none of this machine's."""
    if machine != get_machine():
        return None
    try:
        kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    except (OSError, OverflowError):
        return None
    return False


@cache
def get_machine() -> str:
    """Return a text that tells this machine, since it was started, and this container, from all others."""
    parts = [gethostname()]
    with suppress(OSError):
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip())
    with suppress(OSError):
        parts.append(readlink("/proc/self/ns/pid"))
    return sha256("\n".join(parts).encode()).hexdigest()[:10]
