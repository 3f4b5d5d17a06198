"""
Make what is missing, and change what differs, as somebody has said.

Daemons have no part in this: the people who deploy them run it, with rights that daemons do not have. A failure leaves
the steps before it done, and the next run goes on from there.
"""

from __future__ import annotations

from collections.abc import Iterator
from json import dumps
from typing import Any

from microcosm_pubsub.clients import CLIENT_ERRORS, error_code
from microcosm_pubsub.errors import ConfigurationError, PubSubError
from microcosm_pubsub.topology.admission import add_statement, find_senders
from microcosm_pubsub.topology.comparison import SCOPE, Comparison, Item
from microcosm_pubsub.topology.inventory import PENDING
from microcosm_pubsub.topology.plan import Queue, Topic
from microcosm_pubsub.topology.resources import (
    STATEMENT,
    make_queue_policy,
    make_redrive_policy,
    make_subscription_filter,
)


#: A queue that was deleted cannot be made again at once.
#: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_CreateQueue.html
DELETED_RECENTLY = "QueueDeletedRecently"


class Provisioner:
    """
    Make the resources that a comparison found missing, and change those that differ.

    :param comparison: a comparison whose items have been listed
    :param items: of it
    """

    def __init__(self, comparison: Comparison, items: list[Item]) -> None:
        self.topology = comparison.topology
        self.inventory = comparison.inventory
        self.comparison = comparison
        self.items = items
        self.arns = {key: found.arn for key, found in comparison.found.items()}
        self.urls = {name: found.url for (kind, name), found in comparison.found.items() if kind == "queue"}

    def run(self) -> Iterator[str]:
        """
        Do it, and give a line for each thing that was done.

        :raises ConfigurationError: if it is not known of something what it is; nothing is done then
        :raises PubSubError: if a call fails; what was done before stays
        """
        if unknown := [item for item in self.items if item.state == "unknown"]:
            said = "; ".join(f"{item.kind} {item.name} {item.reason}" for item in unknown)
            raise ConfigurationError(f"Nothing was changed, since not all can be seen: {said}")
        for item in self.items:
            if item.state == "there":
                continue
            verb = "create" if item.state == "missing" else "change"
            try:
                getattr(self, f"_{verb}_{item.kind}")(item)
            except CLIENT_ERRORS as error:
                raise PubSubError(f"Cannot {verb} {item.kind} {item.name}: {explain(error)}") from error
            more = f" ({'; '.join(map(str, item.changes))})" if item.changes else ""
            yield f"{verb}d {item.kind} {item.name}{more}"

    # Topics.

    def _create_topic(self, item: Item) -> None:
        topic = self._topic(item)
        attributes = {"FifoTopic": "true"} if topic.is_fifo else {}
        if self.topology.kms_key is not None and self.comparison.has_rights:
            attributes["KmsMasterKeyId"] = self.topology.kms_key
        answer = self.inventory.topic_client.create_topic(Name=topic.name, Attributes=attributes)
        made = str(answer["TopicArn"])
        if topic.arn is not None and self.comparison.has_rights and topic.arn != made:
            raise ConfigurationError(
                f"Topic {topic.name} was made as {made}, but configuration names {topic.arn}: correct sns_topic_arns, "
                "or use the credentials and the region of that account"
            )
        self.arns["topic", topic.name] = made

    def _change_topic(self, item: Item) -> None:
        for change in item.changes:
            self.inventory.topic_client.set_topic_attributes(
                TopicArn=self.arns["topic", item.name], AttributeName=change.attribute, AttributeValue=change.new
            )

    # Queues.

    def _create_queue(self, item: Item) -> None:
        queue = self._queue()
        is_dead_letters = item.name == queue.dead_letter_queue
        attributes = self.comparison.want_queue(queue, is_dead_letters)
        if not is_dead_letters:
            attributes["RedrivePolicy"] = self._write_redrive(queue)
        client = self.inventory.queue_client
        url = str(client.create_queue(QueueName=item.name, Attributes=attributes)["QueueUrl"])
        answer = client.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        self.urls[item.name], self.arns["queue", item.name] = url, answer["Attributes"]["QueueArn"]
        if not is_dead_letters and self.topology.subscribed and self.comparison.has_rights:
            self._set_attributes(item.name, {"Policy": self._write_policy(queue, None)})

    def _change_queue(self, item: Item) -> None:
        queue = self._queue()
        attributes = {change.attribute: change.new for change in item.changes}
        if "RedrivePolicy" in attributes:
            attributes["RedrivePolicy"] = self._write_redrive(queue)
        if "Policy" in attributes:
            found = self.comparison.found["queue", item.name]
            attributes["Policy"] = self._write_policy(queue, found.attributes.get("Policy"))
        self._set_attributes(item.name, attributes)

    def _set_attributes(self, name: str, attributes: dict[str, str]) -> None:
        self.inventory.queue_client.set_queue_attributes(QueueUrl=self.urls[name], Attributes=attributes)

    def _write_redrive(self, queue: Queue) -> str:
        return dumps(make_redrive_policy(self.arns["queue", queue.dead_letter_queue], queue))

    def _write_policy(self, queue: Queue, current: str | None) -> str:
        # Senders that the policy admits already stay admitted.
        topics = [
            *find_senders(current, STATEMENT),
            *(self.arns["topic", each.name] for each in self.topology.subscribed),
        ]
        (statement,) = make_queue_policy(self.arns["queue", queue.name], dict.fromkeys(topics))["Statement"]
        return dumps(add_statement(current, statement))

    # Subscriptions.

    def _create_subscription(self, item: Item) -> None:
        topic = self._topic(item)
        policy = make_subscription_filter(topic)
        self.inventory.topic_client.subscribe(
            TopicArn=self.arns["topic", topic.name],
            Protocol="sqs",
            Endpoint=self.arns["queue", self._queue().name],
            Attributes={"FilterPolicy": dumps(policy)} if policy else {},
            ReturnSubscriptionArn=True,
        )

    def _change_subscription(self, item: Item) -> None:
        changed = {change.attribute for change in item.changes}
        if PENDING in changed:
            # The subscriber confirms it, if it is of the queue's account.
            self._create_subscription(item)
            return
        policy = dumps(make_subscription_filter(self._topic(item)))
        # The scope decides what a policy may hold, and so is changed while there is none.
        steps = [("FilterPolicy", "{}"), ("FilterPolicyScope", SCOPE)] if "FilterPolicyScope" in changed else []
        for name, value in [*steps, ("FilterPolicy", policy)]:
            self.inventory.topic_client.set_subscription_attributes(
                SubscriptionArn=self.arns["subscription", item.name], AttributeName=name, AttributeValue=value
            )

    # The plan.

    def _topic(self, item: Item) -> Topic:
        name = item.name.partition(" -> ")[0]
        return next(topic for topic in self.topology.topics if topic.name == name)

    def _queue(self) -> Queue:
        if self.topology.queue is None:
            raise ConfigurationError(f"{self.topology.name} needs no queue")
        return self.topology.queue


def explain(error: Exception) -> str:
    """Return the meaning of a failed call, and the remedy."""
    code = error_code(error)
    response: dict[str, Any] = getattr(error, "response", {})
    text = " ".join(str(response.get("Error", {}).get("Message") or "").split())
    if "AccessDenied" in code or "AuthorizationError" in code:
        return f"{code}: {text}; whoever runs this needs rights that daemons do not, such as sqs:CreateQueue"
    if DELETED_RECENTLY in code:
        return f"{code}: wait a minute, and run it again"
    return f"{code}: {text}" if text else code
