"""
The tags of topics.

https://docs.aws.amazon.com/sns/latest/api/API_TagResource.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from json import dumps, loads
from typing import Any

from sqlalchemy import select, update

from microcosm_pubsub.broker import names
from microcosm_pubsub.broker.broker import Broker, Refusal
from microcosm_pubsub.broker.schema import topics
from microcosm_pubsub.broker.sns.refusals import invalid_parameter


MAX_TAGS = 50


def to_tags(items: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """
    Return tags by their keys.

    :raises Refusal: if a key is there twice, or if they are too many
    """
    tags = {item["Key"]: item["Value"] for item in items}
    if len(tags) < len(items):
        raise invalid_parameter("Duplicated keys are not allowed.")
    return _require_few(tags)


def _require_few(tags: dict[str, str]) -> dict[str, str]:
    if len(tags) > MAX_TAGS:
        raise Refusal("TagLimitExceededException", "Could not complete request: tag quota of per resource exceeded")
    return tags


def tag_resource(broker: Broker, ResourceArn: str, Tags: Sequence[Mapping[str, str]]) -> None:
    """Add tags to a topic."""
    added = to_tags(Tags)
    _change_tags(broker, ResourceArn, lambda tags: _require_few({**tags, **added}))


def untag_resource(broker: Broker, ResourceArn: str, TagKeys: Sequence[str]) -> None:
    """Remove tags from a topic."""
    _change_tags(broker, ResourceArn, lambda tags: {key: tags[key] for key in tags if key not in TagKeys})


def list_tags_for_resource(broker: Broker, ResourceArn: str) -> dict[str, Any]:
    """Return the tags of a topic."""
    tags = _change_tags(broker, ResourceArn, None)
    return {"Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}


def _change_tags(
    broker: Broker,
    arn: str,
    change: Callable[[dict[str, str]], dict[str, str]] | None,
) -> dict[str, str]:
    statement = select(topics.c.id, topics.c.tags).where(topics.c.name == names.name_of(arn))
    with broker.store.begin() as connection:
        row = connection.execute(statement.with_for_update()).first()
        if row is None:
            raise Refusal("ResourceNotFoundException", "Resource does not exist", status=404)
        tags: dict[str, str] = loads(row.tags)
        if change is not None:
            tags = change(tags)
            connection.execute(update(topics).where(topics.c.id == row.id).values(tags=dumps(tags)))
        return tags
