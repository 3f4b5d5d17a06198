"""
The topics of media types.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from microcosm.api import typed

from microcosm_pubsub.config import values
from microcosm_pubsub.config.graph import defaults
from microcosm_pubsub.conventions import make_media_type
from microcosm_pubsub.errors import ConfigurationError
from microcosm_pubsub.graph import PubSubGraph


class TestingTopic(str):
    """The topic of all media types in testing graphs, as long as none is configured, not even that there is none."""

    __slots__ = ()
    __test__ = False


TESTING_TOPIC = TestingTopic("topic")


class TopicArns(dict[str, str]):
    """
    The ARN of the topic of each media type.

    :param default: the ARN for all other media types, if any
    """

    def __init__(self, mappings: Mapping[str, str] | None = None, default: str | None = None) -> None:
        super().__init__(mappings or {})
        self.default = default


def collapse_dict(dct: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return a nested mapping as a flat one, with dotted keys.

    {"foo": {"bar_baz": "arn"}} gives {"foo.bar_baz": "arn"}.
    """
    return dict(iter_topic_mappings(dct))


def iter_topic_mappings(dct: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """
    Iterate over a nested mapping as dotted keys and values.

    {"foo": {"bar_baz": "arn"}} gives ("foo.bar_baz", "arn").
    """
    for key, value in dct.items():
        if isinstance(value, Mapping):
            for inner, item in iter_topic_mappings(value):
                yield f"{key}.{inner}", item
        else:
            yield key, value


@defaults(
    default=typed(values.text("sns_topic_arns.default"), default_value=None, mock_value=TESTING_TOPIC),
    mappings={},
)
def configure_sns_topic_arns(graph: PubSubGraph) -> TopicArns:
    """
    Configure the topics of the graph's producer, bound as `sns_topic_arns`.

    Config holds a `default`, `mappings` from media types, and for each lifecycle change a nested mapping, so
    that `EXAMPLE__SNS_TOPIC_ARNS__CREATED__FOO__BAR_BAZ` names the topic of `created("foo.bar_baz")`.
    """
    config = graph.config.sns_topic_arns
    arns: dict[str, str] = {}
    for lifecycle_change in sorted(graph.pubsub_lifecycle_change):
        for resource, arn in iter_topic_mappings(_get_mapping(config, lifecycle_change)):
            arns[make_media_type(resource, lifecycle_change)] = arn
    arns.update(_get_mapping(config, "mappings"))
    for media_type, arn in arns.items():
        if not isinstance(arn, str) or not arn:
            raise ConfigurationError(f"The topic of {media_type} is {arn!r}, but must be the text of an ARN")
    default = config.default
    is_open = default is None or isinstance(default, TestingTopic)
    if is_open and graph.pubsub_broker is not None:
        default = graph.pubsub_broker.default_topic_arn
    elif is_open and arns:
        # A test need not configure a topic; one that configures some is told of those that it forgot.
        default = None
    return TopicArns(arns, default=default)


def _get_mapping(config: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = config.get(key) or {}
    if not isinstance(value, Mapping):
        raise ConfigurationError(
            f"Configuration sns_topic_arns.{key} is {value!r}, but must hold ARNs under names; for the topic of all "
            "other media types set sns_topic_arns.default"
        )
    return value
