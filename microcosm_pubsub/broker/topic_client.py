"""
boto3's SNS client, on the broker.
"""

from __future__ import annotations

from typing import Any

from microcosm_pubsub.broker.broker import Broker
from microcosm_pubsub.broker.errors import load_exceptions
from microcosm_pubsub.broker.operation import operation
from microcosm_pubsub.broker.sns import confirming, following, permissions, publishing, subscriptions, tags, topics


class BrokerTopicClient:
    """
    boto3's SNS client, on the broker: the same methods, arguments, answers and errors.

    :param broker: the broker
    """

    def __init__(self, broker: Broker) -> None:
        self.broker = broker

    @property
    def exceptions(self) -> Any:
        """Return the exceptions of the service, as boto3's client does."""
        return load_exceptions("sns")

    # SNS has nothing like these two.

    def follow(self) -> None:
        """Let `was_taken` know of what is published from now on to topics that are no FIFO topics."""
        following.follow(self.broker)

    def was_taken(self, message_id: str) -> bool | None:
        """
        Return whether somebody has received a message; None if that is not known.

        :param message_id: that `publish` of this process has given
        """
        return following.was_taken(self.broker, message_id)

    add_permission = operation("sns", "AddPermission", permissions.add_permission)
    confirm_subscription = operation("sns", "ConfirmSubscription", confirming.confirm_subscription)
    create_topic = operation("sns", "CreateTopic", topics.create_topic)
    delete_topic = operation("sns", "DeleteTopic", topics.delete_topic)
    get_subscription_attributes = operation(
        "sns", "GetSubscriptionAttributes", subscriptions.get_subscription_attributes
    )
    get_topic_attributes = operation("sns", "GetTopicAttributes", topics.get_topic_attributes)
    list_subscriptions = operation("sns", "ListSubscriptions", subscriptions.list_subscriptions)
    list_subscriptions_by_topic = operation(
        "sns", "ListSubscriptionsByTopic", subscriptions.list_subscriptions_by_topic
    )
    list_tags_for_resource = operation("sns", "ListTagsForResource", tags.list_tags_for_resource)
    list_topics = operation("sns", "ListTopics", topics.list_topics)
    publish = operation("sns", "Publish", publishing.publish)
    publish_batch = operation("sns", "PublishBatch", publishing.publish_batch)
    remove_permission = operation("sns", "RemovePermission", permissions.remove_permission)
    set_subscription_attributes = operation(
        "sns", "SetSubscriptionAttributes", subscriptions.set_subscription_attributes
    )
    set_topic_attributes = operation("sns", "SetTopicAttributes", topics.set_topic_attributes)
    subscribe = operation("sns", "Subscribe", subscriptions.subscribe)
    tag_resource = operation("sns", "TagResource", tags.tag_resource)
    unsubscribe = operation("sns", "Unsubscribe", confirming.unsubscribe)
    untag_resource = operation("sns", "UntagResource", tags.untag_resource)
