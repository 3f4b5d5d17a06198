"""
Topics: create, find, list, change, delete.

https://docs.aws.amazon.com/sns/latest/api/API_CreateTopic.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from json import dumps, loads
from re import fullmatch
from typing import Any

from sqlalchemy import Connection, bindparam, delete, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from microcosm_pubsub.broker import names
from microcosm_pubsub.broker.broker import Broker
from microcosm_pubsub.broker.prepared_statement import PreparedStatement
from microcosm_pubsub.broker.schema import deduplications, subscriptions, topics
from microcosm_pubsub.broker.sns.refusals import invalid_parameter, not_found
from microcosm_pubsub.broker.sns.tags import to_tags
from microcosm_pubsub.broker.sns.topic_attributes import (
    MAX_SUBSCRIPTIONS_FOR_LARGE,
    check_attribute,
    size_limit,
    with_defaults,
)
from microcosm_pubsub.constants import DEFAULT_TOPIC_SIZE_LIMIT_BYTES


PAGE = 100


@dataclass(frozen=True, slots=True)
class Topic:
    """
    A topic, as it stands in the database.

    :param attributes: those that were set
    """

    id: int
    name: str
    fifo: bool
    attributes: dict[str, str]
    tags: dict[str, str]

    @property
    def arn(self) -> str:
        """Return the topic's ARN."""
        return names.topic_arn(self.name)

    @property
    def size_limit(self) -> int:
        """Return how many bytes a message may have."""
        return size_limit(self.attributes)

    @property
    def takes_large(self) -> bool:
        """Return whether it takes larger messages than by default."""
        return self.size_limit > DEFAULT_TOPIC_SIZE_LIMIT_BYTES


def find_topic(connection: Connection, arn: str, lock: bool = False) -> Topic:
    """
    Return a topic.

    :param lock: whether to keep others from changing it in this transaction
    :raises Refusal: if there is none
    """
    topic = look_up_topic(connection, topic_name(arn), lock)
    if topic is None:
        raise not_found("Topic")
    return topic


def topic_name(arn: str) -> str:
    """
    Return the name that ends the ARN of a topic.

    :raises Refusal: if it is none
    """
    if not arn:
        raise invalid_parameter("TopicArn Reason: An ARN must have at least 6 elements, not 1")
    return names.name_of(arn)


def look_up_topic(connection: Connection, name: str, lock: bool = False) -> Topic | None:
    """Return the topic of a name, or None."""
    statement = LOCK_TOPIC if lock else SELECT_TOPIC
    rows = statement.execute(connection, {"topic_name": name})
    return to_topic(*rows[0]) if rows else None


def to_topic(row_id: int, name: str, fifo: Any, attributes: str, tags: str) -> Topic:
    """Return the topic of the columns of a row."""
    return Topic(row_id, name, bool(fifo), loads(attributes), loads(tags))


def create_topic(
    broker: Broker,
    Name: str,
    Attributes: Mapping[str, str] | None = None,
    Tags: Sequence[Mapping[str, str]] = (),
    DataProtectionPolicy: str | None = None,
) -> dict[str, Any]:
    """Create a topic, or find it if it is there with the same attributes."""
    attributes = dict(Attributes or {})
    fifo = _check_name(Name, attributes)
    for name, value in attributes.items():
        if name != "FifoTopic":
            check_attribute(name, value, fifo, "Attributes Reason: ")
    if DataProtectionPolicy is not None:
        attributes["DataProtectionPolicy"] = DataProtectionPolicy
    tags = to_tags(Tags)
    with broker.store.begin() as connection:
        existing = look_up_topic(connection, Name)
        if existing is None:
            try:
                # If two processes create it at once, the second finds it.
                with connection.begin_nested():
                    values = {"name": Name, "fifo": fifo, "attributes": dumps(attributes), "tags": dumps(tags)}
                    connection.execute(insert(topics), values)
            except IntegrityError:
                existing = look_up_topic(connection, Name)
        if existing is not None:
            _require_same(existing, attributes, tags)
    return {"TopicArn": names.topic_arn(Name)}


def _check_name(name: str, attributes: dict[str, str]) -> bool:
    """Return whether it is the name of a FIFO topic, as the attributes have to say as well."""
    fifo = attributes.get("FifoTopic", "false")
    if fifo not in ("true", "false"):
        raise invalid_parameter(f"Attributes Reason: FifoTopic: Invalid value [{fifo}]. Must be true or false.")
    if fifo == "true" and not fullmatch(r"[A-Za-z0-9_-]{1,251}\.fifo", name):
        raise invalid_parameter(
            "Fifo Topic names must end with .fifo and must be made up of only uppercase and lowercase ASCII letters, "
            "numbers, underscores, and hyphens, and must be between 1 and 256 characters long."
        )
    if fifo == "false":
        attributes.pop("FifoTopic", None)
        if not fullmatch(r"[A-Za-z0-9_-]{1,256}", name):
            raise invalid_parameter("Topic Name")
    return fifo == "true"


def _require_same(topic: Topic, attributes: Mapping[str, str], tags: Mapping[str, str]) -> None:
    known = with_defaults(topic.attributes, topic.arn, topic.fifo)
    if any(known.get(name) != value for name, value in attributes.items()):
        raise invalid_parameter("Attributes Reason: Topic already exists with different attributes")
    if any(topic.tags.get(key) != value for key, value in tags.items()):
        raise invalid_parameter("Tags Reason: Topic already exists with different tags")


def delete_topic(broker: Broker, TopicArn: str) -> None:
    """Delete a topic with its subscriptions, if it is there."""
    with broker.store.begin() as connection:
        topic = look_up_topic(connection, names.name_of(TopicArn))
        if topic is not None:
            connection.execute(delete(topics).where(topics.c.id == topic.id))
            scope = f"topic:{topic.id}"
            connection.execute(
                delete(deduplications).where(
                    or_(deduplications.c.scope == scope, deduplications.c.scope.startswith(f"{scope}:"))
                )
            )


def list_topics(broker: Broker, NextToken: str = "") -> dict[str, Any]:
    """Return the ARNs of the topics, a hundred at a time, by name."""
    with broker.store.begin() as connection:
        found = connection.scalars(
            select(topics.c.name).where(topics.c.name > NextToken).order_by(topics.c.name).limit(PAGE + 1)
        ).all()
    answer: dict[str, Any] = {"Topics": [{"TopicArn": names.topic_arn(name)} for name in found[:PAGE]]}
    if len(found) > PAGE:
        answer["NextToken"] = found[PAGE - 1]
    return answer


def get_topic_attributes(broker: Broker, TopicArn: str) -> dict[str, Any]:
    """Return the attributes of a topic, and how many subscriptions it has."""
    with broker.store.begin() as connection:
        topic = find_topic(connection, TopicArn)
        found = {row.state: row.number for row in connection.execute(COUNT_BY_STATE, {"topic": topic.id})}
    known = with_defaults(topic.attributes, topic.arn, topic.fifo)
    counts = {
        f"Subscriptions{state.capitalize()}": str(found.get(state, 0)) for state in ("confirmed", "deleted", "pending")
    }
    return {"Attributes": {**known, **counts}}


def count_subscriptions(connection: Connection, topic: Topic) -> int:
    """Return how many subscriptions a topic has."""
    statement = (
        select(func.count())
        .select_from(subscriptions)
        .where(subscriptions.c.topic_id == topic.id, subscriptions.c.state != "deleted")
    )
    return connection.execute(statement).scalar_one()


def set_topic_attributes(broker: Broker, TopicArn: str, AttributeName: str, AttributeValue: str = "") -> None:
    """Change an attribute of a topic; the empty text stands for the default."""

    def check(topic: Topic) -> str:
        check_attribute(AttributeName, AttributeValue, topic.fifo)
        return AttributeValue

    change_attribute(broker, TopicArn, AttributeName, check)


def change_attribute(broker: Broker, topic_arn: str, name: str, change: Callable[[Topic], str]) -> None:
    """
    Change an attribute of a topic.

    :param change: takes the topic, which nobody else changes meanwhile, and returns the value; empty, it is removed
    """
    with broker.store.begin() as connection:
        topic = find_topic(connection, topic_arn, lock=True)
        attributes = {**topic.attributes, name: change(topic)}
        changed = {key: value for key, value in attributes.items() if value}
        if size_limit(changed) > DEFAULT_TOPIC_SIZE_LIMIT_BYTES:
            require_few(count_subscriptions(connection, topic))
        connection.execute(update(topics).where(topics.c.id == topic.id).values(attributes=dumps(changed)))


def require_few(count: int) -> None:
    """
    Refuse that a topic for large messages has many subscriptions.

    :raises Refusal: if so
    """
    if count > MAX_SUBSCRIPTIONS_FOR_LARGE:
        raise invalid_parameter(
            f"MaximumMessageSize: above {DEFAULT_TOPIC_SIZE_LIMIT_BYTES} the topic must have "
            f"{MAX_SUBSCRIPTIONS_FOR_LARGE} or fewer subscriptions"
        )


#: The columns of which a topic is made.
TOPIC_COLUMNS = (topics.c.id, topics.c.name, topics.c.fifo, topics.c.attributes, topics.c.tags)

OF_NAME = select(*TOPIC_COLUMNS).where(topics.c.name == bindparam("topic_name"))

SELECT_TOPIC = PreparedStatement(OF_NAME)

LOCK_TOPIC = PreparedStatement(OF_NAME.with_for_update())

COUNT_BY_STATE = (
    select(subscriptions.c.state, func.count().label("number"))
    .where(subscriptions.c.topic_id == bindparam("topic"))
    .group_by(subscriptions.c.state)
)
