"""
Ready-made ways to write a handler.

`URIHandler` fetches what a message points to, `ChainHandler` runs small functions one after
another, and `ChainURIHandler` does both.
"""

from microcosm_pubsub.handlers.chain_handlers import ChainHandler, ChainURIHandler
from microcosm_pubsub.handlers.publish_batch_message import PublishBatchMessage
from microcosm_pubsub.handlers.uri_handler import URIHandler


__all__ = [
    "ChainHandler",
    "ChainURIHandler",
    "PublishBatchMessage",
    "URIHandler",
]
