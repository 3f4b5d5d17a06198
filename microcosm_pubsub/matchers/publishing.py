"""
Matchers of all that a producer published.

Owns `published` and its kin: each matches a producer, by the list of its published messages. When
one does not match, it lists them.
"""

from typing import Any

from hamcrest import contains_exactly, contains_inanyorder
from hamcrest.core.base_matcher import BaseMatcher
from hamcrest.core.description import Description
from hamcrest.core.matcher import Matcher

from microcosm_pubsub.matchers.message import has_media_type
from microcosm_pubsub.matchers.published import published_messages_for


class PublishingMatcher(BaseMatcher[Any]):
    """
    Match a producer by the messages that it published.

    :param messages: matches the list of its published messages
    """

    expected = "published"

    def __init__(self, messages: Matcher[Any]) -> None:
        self.messages = messages

    def _matches(self, item: Any) -> bool:
        return bool(self.messages.matches(published_messages_for(item)))

    def describe_to(self, description: Description) -> None:
        """Tell what is expected."""
        description.append_text(f"{self.expected} ")
        self.messages.describe_to(description)

    def describe_mismatch(self, item: Any, mismatch_description: Description) -> None:
        """Tell what differs, and list what was published."""
        messages = published_messages_for(item)
        self.messages.describe_mismatch(messages, mismatch_description)
        mismatch_description.append_text(f"\n          published {len(messages)} message(s)")
        for message in messages:
            mismatch_description.append_text(f"\n            {message}")


class StrictPublishingMatcher(PublishingMatcher):
    """
    Match a producer that published exactly these messages, in this order.

    :param matchers: one for each message; text is a media type
    """

    expected = "published, in order,"

    def __init__(self, *matchers: Any) -> None:
        super().__init__(contains_exactly(*map(_message_matcher, matchers)))


class NonStrictPublishingMatcher(PublishingMatcher):
    """
    Match a producer that published exactly these messages, in any order.

    :param matchers: one for each message; text is a media type
    """

    expected = "published, in any order,"

    def __init__(self, *matchers: Any) -> None:
        super().__init__(contains_inanyorder(*map(_message_matcher, matchers)))


class NothingPublishedMatcher(StrictPublishingMatcher):
    """Match a producer that published no message."""

    expected = "published nothing:"


def published(*matchers: Any) -> PublishingMatcher:
    """
    Match a producer that published exactly these messages, in this order.

    :param matchers: one for each message; text is a media type
    """
    return StrictPublishingMatcher(*matchers)


def published_inanyorder(*matchers: Any) -> PublishingMatcher:
    """
    Match a producer that published exactly these messages, in any order.

    :param matchers: one for each message; text is a media type
    """
    return NonStrictPublishingMatcher(*matchers)


def published_nothing() -> PublishingMatcher:
    """Match a producer that published no message."""
    return NothingPublishedMatcher()


__all__ = [
    "NonStrictPublishingMatcher",
    "PublishingMatcher",
    "StrictPublishingMatcher",
    "published",
    "published_inanyorder",
    "published_messages_for",
    "published_nothing",
]


def _message_matcher(matcher: Any) -> Any:
    return has_media_type(matcher) if isinstance(matcher, str) else matcher
