"""
The comparison of a topology with what there is: missing, different, or there.

Attributes that nobody plans are nobody's business here: a queue may have tags, or a delay.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from json import dumps
from typing import Any, Literal

from microcosm_pubsub.clients import CLIENT_ERRORS, error_code
from microcosm_pubsub.topology.admission import admits
from microcosm_pubsub.topology.inventory import PENDING, FoundResource, Inventory, read_json, read_redrive
from microcosm_pubsub.topology.plan import Queue, Topic, Topology
from microcosm_pubsub.topology.resources import make_queue_attributes, make_subscription_filter


State = Literal["missing", "differs", "there", "unknown"]

#: Without a key of one's own SQS encrypts by itself, and does so if nobody says anything, since 2022.
#: https://aws.amazon.com/about-aws/whats-new/2022/10/amazon-sqs-announces-server-side-encryption-ssq-managed-sse-sqs-default/
ENCRYPTION = ("KmsMasterKeyId", "SqsManagedSseEnabled")

#: A filter policy is of these, unless it says that it is of bodies.
SCOPE = "MessageAttributes"


@dataclass(frozen=True, slots=True)
class Change:
    """
    An attribute that is another one than it has to be.

    :param old: as it is; None if it is not set
    :param new: as it has to be
    """

    attribute: str
    old: str | None
    new: str

    def __str__(self) -> str:
        return f"{self.attribute}: {'not set' if self.old is None else self.old} → {self.new}"


@dataclass(frozen=True, slots=True)
class Item:
    """
    Something that there has to be.

    :param kind: "topic", "queue" or "subscription"
    :param name: of the topic or the queue; of a subscription both
    :param state: how it compares with what there is; "unknown" if that cannot be told
    :param changes: the differences
    :param reason: why it is unknown
    """

    kind: str
    name: str
    state: State
    changes: tuple[Change, ...] = ()
    reason: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return it for machines."""
        changes = [{"attribute": each.attribute, "old": each.old, "new": each.new} for each in self.changes]
        made: dict[str, Any] = {"kind": self.kind, "name": self.name, "state": self.state, "changes": changes}
        return {**made, "reason": self.reason} if self.reason else made


class Comparison:
    """
    Compare a topology with what there is.

    :param topology: the queues and topics that there have to be
    :param inventory: looks at what there is
    :param has_rights: whether the engine asks for rights and encrypts, as AWS does and the broker does not
    """

    def __init__(self, topology: Topology, inventory: Inventory, has_rights: bool = True) -> None:
        self.topology = topology
        self.inventory = inventory
        self.has_rights = has_rights
        #: The resources that were found, by kind and name.
        self.found: dict[tuple[str, str], FoundResource] = {}
        #: And of what it is not known whether it is there.
        self.unseen: set[tuple[str, str]] = set()

    def iter_items(self) -> Iterator[Item]:
        """Iterate over the resources that there have to be, in the order in which they can be made."""
        for topic in self.topology.topics:
            find = partial(self.inventory.find_topic, topic)
            yield self._judge("topic", topic.name, find, self._compare_topic)
        queue = self.topology.queue
        if queue is None:
            return
        for name, url, is_dead_letters in ((queue.dead_letter_queue, None, True), (queue.name, queue.url, False)):
            compare = partial(self._compare_queue, queue, is_dead_letters)
            yield self._judge("queue", name, partial(self.inventory.find_queue, name, url), compare)
        for topic in self.topology.subscribed:
            name = f"{topic.name} -> {queue.name}"
            if unseen := {("topic", topic.name), ("queue", queue.name)} & self.unseen:
                reason = f"{' and '.join(kind for kind, _ in sorted(unseen))} cannot be read"
                yield Item("subscription", name, "unknown", reason=reason)
                continue
            find = partial(self._find_subscription, topic, queue)
            yield self._judge("subscription", name, find, partial(compare_subscription, topic))

    def want_queue(self, queue: Queue, is_dead_letters: bool) -> dict[str, str]:
        """Return the attributes that a queue has to have, but for its policies, as SQS takes them."""
        made = make_queue_attributes(queue, self.topology.kms_key, is_dead_letters)
        return {
            name: str(value).lower() if isinstance(value, bool) else str(value)
            for name, value in made.items()
            if self.has_rights or name not in ENCRYPTION
        }

    def _judge(
        self,
        kind: str,
        name: str,
        find: Callable[[], FoundResource | None],
        compare: Callable[[FoundResource], Iterator[Change]],
    ) -> Item:
        try:
            found = find()
        except CLIENT_ERRORS as error:
            self.unseen.add((kind, name))
            return Item(kind, name, "unknown", reason=f"cannot be read: {error_code(error)}")
        if found is None:
            return Item(kind, name, "missing")
        self.found[kind, name] = found
        changes = tuple(compare(found))
        return Item(kind, name, "differs" if changes else "there", changes)

    def _find_subscription(self, topic: Topic, queue: Queue) -> FoundResource | None:
        ends = self.found.get(("topic", topic.name)), self.found.get(("queue", queue.name))
        if ends[0] is None or ends[1] is None:
            return None
        return self.inventory.find_subscription(ends[0].arn, ends[1].arn)

    def _compare_topic(self, found: FoundResource) -> Iterator[Change]:
        key = self.topology.kms_key
        if self.has_rights and key is not None and to_key(found.attributes.get("KmsMasterKeyId")) != to_key(key):
            yield Change("KmsMasterKeyId", found.attributes.get("KmsMasterKeyId") or None, key)

    def _compare_queue(self, queue: Queue, is_dead_letters: bool, found: FoundResource) -> Iterator[Change]:
        for name, value in self.want_queue(queue, is_dead_letters).items():
            if not is_same(name, value, found.attributes):
                yield Change(name, found.attributes.get(name) or None, value)
        if is_dead_letters:
            return
        current = read_redrive(found.attributes)
        target = None if current is None else (current[0].rpartition(":")[2], current[1])
        if target != (queue.dead_letter_queue, queue.max_receive_count):
            old = None if target is None else describe_redrive(*target)
            yield Change("RedrivePolicy", old, describe_redrive(queue.dead_letter_queue, queue.max_receive_count))
        if self.has_rights:
            yield from self._compare_policy(found)

    def _compare_policy(self, found: FoundResource) -> Iterator[Change]:
        policy = found.attributes.get("Policy")
        admitted: list[str] = []
        refused: list[str] = []
        for topic in self.topology.subscribed:
            known = self.found.get(("topic", topic.name))
            (admitted if known is not None and admits(policy, known.arn) else refused).append(topic.name)
        if refused:
            old = f"lets {', '.join(admitted)} send" if admitted else None
            yield Change("Policy", old, f"lets {', '.join(topic.name for topic in self.topology.subscribed)} send")


def compare_subscription(topic: Topic, found: FoundResource) -> Iterator[Change]:
    """Iterate over the differences of a subscription."""
    if found.attributes.get(PENDING) == "true":
        yield Change(PENDING, "true", "false")
        return
    scope = found.attributes.get("FilterPolicyScope") or SCOPE
    if scope != SCOPE:
        yield Change("FilterPolicyScope", scope, SCOPE)
    text = found.attributes.get("FilterPolicy")
    wanted = make_subscription_filter(topic)
    if normalize(read_json(text) or {}) != normalize(wanted):
        yield Change("FilterPolicy", text or None, dumps(wanted))


def is_same(name: str, wanted: str, attributes: Mapping[str, str]) -> bool:
    """Return whether an attribute of a queue has the planned value."""
    current = attributes.get(name)
    if name == "SqsManagedSseEnabled":
        # A key of one's own encrypts better.
        return current != "false" or bool(attributes.get("KmsMasterKeyId"))
    if name == "KmsMasterKeyId":
        return to_key(current) == to_key(wanted)
    return current == wanted


def to_key(key: str | None) -> str | None:
    """Return the id or the alias of a key, of which an ARN tells too."""
    return key.rpartition(":")[2].removeprefix("key/") if key else None


def describe_redrive(name: str, count: int) -> str:
    """Return the content of a redrive policy."""
    return f"to {name} after {count} receives"


def normalize(policy: Any) -> Any:
    """Return a filter policy as it can be compared: the order of its values says nothing."""
    if isinstance(policy, dict):
        return {key: normalize(value) for key, value in policy.items()}
    return sorted(map(dumps, policy)) if isinstance(policy, list) else policy
