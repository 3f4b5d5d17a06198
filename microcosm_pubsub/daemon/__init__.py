"""
The daemon: a program that handles the messages of one queue.
"""

from microcosm_pubsub.daemon.daemon import ConsumerDaemon


__all__ = [
    "ConsumerDaemon",
]
