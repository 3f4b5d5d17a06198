"""
Matchers of one published message.

Owns `PublishedMessageMatcher`, which asks several things of a message at once, and the short forms
that ask one. Each takes a value or any other matcher, and combines with those of PyHamcrest.
"""

from typing import Any

from hamcrest.core.base_matcher import BaseMatcher
from hamcrest.core.description import Description
from hamcrest.core.helpers.wrap_matcher import wrap_matcher
from hamcrest.core.matcher import Matcher

from microcosm_pubsub.matchers.published import PublishedMessage


class PublishedMessageMatcher(BaseMatcher[Any]):
    """
    Match a published message by any of its attributes.

    An argument that is None is not asked; ask for a None with `hamcrest.none()`.

    :param media_type: the media type, or a matcher of it
    :param uri: the URI, or a matcher of it
    :param content: the fields without media type and opaque data, or a matcher of them
    :param opaque_data: the opaque data, or a matcher of it
    :param topic_arn: the topic, or a matcher of it
    """

    def __init__(
        self,
        media_type: Any = None,
        uri: Any = None,
        content: Any = None,
        opaque_data: Any = None,
        topic_arn: Any = None,
    ) -> None:
        asked = {
            "media_type": media_type,
            "uri": uri,
            "content": content,
            "opaque_data": opaque_data,
            "topic_arn": topic_arn,
        }
        self.matchers: dict[str, Matcher[Any]] = {
            name: wrap_matcher(value) for name, value in asked.items() if value is not None
        }

    def _matches(self, item: Any) -> bool:
        return isinstance(item, PublishedMessage) and all(
            matcher.matches(getattr(item, name)) for name, matcher in self.matchers.items()
        )

    def describe_to(self, description: Description) -> None:
        """Tell what is asked."""
        description.append_text("a published message")
        for index, (name, matcher) in enumerate(self.matchers.items()):
            description.append_text(" and " if index else " with ").append_text(f"{name} ")
            matcher.describe_to(description)

    def describe_mismatch(self, item: Any, mismatch_description: Description) -> None:
        """Tell what differs."""
        if not isinstance(item, PublishedMessage):
            mismatch_description.append_text("was no published message but ").append_description_of(item)
            return
        separator = ""
        for name, matcher in self.matchers.items():
            value = getattr(item, name)
            if not matcher.matches(value):
                mismatch_description.append_text(f"{separator}{name} ")
                matcher.describe_mismatch(value, mismatch_description)
                separator = " and "


def has_media_type(media_type: Any) -> PublishedMessageMatcher:
    """Match a published message of this media type."""
    return PublishedMessageMatcher(media_type=wrap_matcher(media_type))


def has_uri(uri: Any) -> PublishedMessageMatcher:
    """Match a published message about this URI."""
    return PublishedMessageMatcher(uri=wrap_matcher(uri))


def has_content(content: Any) -> PublishedMessageMatcher:
    """Match a published message whose fields, without media type and opaque data, match."""
    return PublishedMessageMatcher(content=wrap_matcher(content))


def has_opaque_data(opaque_data: Any) -> PublishedMessageMatcher:
    """Match a published message that carries this opaque data."""
    return PublishedMessageMatcher(opaque_data=wrap_matcher(opaque_data))
