"""
Unpack messages that were published as one.
"""

from typing import Any

from microcosm_pubsub.batch import MessageBatchSchema
from microcosm_pubsub.decorators import handles
from microcosm_pubsub.errors import PublishError
from microcosm_pubsub.producer import Producer, PubsubMessage
from microcosm_pubsub.producer.deferred import publish_all


@handles(MessageBatchSchema)
class PublishBatchMessage:
    """
    Publish each message of a batch message.

    If any is not published the batch is handled again, so that the others may be published twice.

    A daemon runs it only if its components name `publish_message_batch`: the messages of a batch name their
    topics, which not every daemon should publish to on the word of a message.
    """

    bind_implicitly = False

    def __init__(self, graph: Any) -> None:
        self.sns_producer: Producer = graph.sns_producer

    def __call__(self, message: dict[str, Any]) -> bool:
        """
        Publish each message of a batch.

        :raises PublishError: if any was not published
        """
        messages = [PubsubMessage(**{"opaque_data": None, **item}) for item in message["messages"]]
        failed = [result.error for result in publish_all(self.sns_producer, messages) if not result.ok]
        if failed:
            raise PublishError(f"{len(failed)} of {len(messages)} messages were not published") from failed[0]
        return True
