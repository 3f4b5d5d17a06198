"""
PyHamcrest matchers of what was published.

    assert_that(
        graph.sns_producer,
        published(
            has_media_type(created("foo")),
            all_of(has_media_type(created("bar")), has_uri("http://example.com/bar")),
        ),
    )
"""

from microcosm_pubsub.matchers.message import (
    PublishedMessageMatcher,
    has_content,
    has_media_type,
    has_opaque_data,
    has_uri,
)
from microcosm_pubsub.matchers.published import PublishedMessage, published_messages_for
from microcosm_pubsub.matchers.publishing import published, published_inanyorder, published_nothing


__all__ = [
    "PublishedMessage",
    "PublishedMessageMatcher",
    "has_content",
    "has_media_type",
    "has_opaque_data",
    "has_uri",
    "published",
    "published_inanyorder",
    "published_messages_for",
    "published_nothing",
]
