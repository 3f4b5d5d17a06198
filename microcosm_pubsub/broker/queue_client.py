"""
boto3's SQS client, on the broker.
"""

from __future__ import annotations

from typing import Any

from microcosm_pubsub.broker.broker import Broker
from microcosm_pubsub.broker.errors import load_exceptions
from microcosm_pubsub.broker.operation import operation
from microcosm_pubsub.broker.sqs import listing, moving, permissions, queues, sending, settling, tags, waiting


class BrokerQueueClient:
    """
    boto3's SQS client, on the broker: the same methods, arguments, answers and errors.

    :param broker: the broker
    """

    def __init__(self, broker: Broker) -> None:
        self.broker = broker

    @property
    def exceptions(self) -> Any:
        """Return the exceptions of the service, as boto3's client does."""
        return load_exceptions("sqs")

    def interrupt(self) -> None:
        """Have receives that wait for messages end without one, now."""
        self.broker.notifier.interrupt()

    add_permission = operation("sqs", "AddPermission", permissions.add_permission)
    cancel_message_move_task = operation("sqs", "CancelMessageMoveTask", moving.cancel_message_move_task)
    change_message_visibility = operation("sqs", "ChangeMessageVisibility", settling.change_message_visibility)
    change_message_visibility_batch = operation(
        "sqs", "ChangeMessageVisibilityBatch", settling.change_message_visibility_batch
    )
    create_queue = operation("sqs", "CreateQueue", queues.create_queue)
    delete_message = operation("sqs", "DeleteMessage", settling.delete_message)
    delete_message_batch = operation("sqs", "DeleteMessageBatch", settling.delete_message_batch)
    delete_queue = operation("sqs", "DeleteQueue", queues.delete_queue)
    get_queue_attributes = operation("sqs", "GetQueueAttributes", queues.get_queue_attributes)
    get_queue_url = operation("sqs", "GetQueueUrl", queues.get_queue_url)
    list_dead_letter_source_queues = operation(
        "sqs", "ListDeadLetterSourceQueues", listing.list_dead_letter_source_queues
    )
    list_message_move_tasks = operation("sqs", "ListMessageMoveTasks", moving.list_message_move_tasks)
    list_queue_tags = operation("sqs", "ListQueueTags", tags.list_queue_tags)
    list_queues = operation("sqs", "ListQueues", listing.list_queues)
    purge_queue = operation("sqs", "PurgeQueue", queues.purge_queue)
    receive_message = operation("sqs", "ReceiveMessage", waiting.receive_message)
    remove_permission = operation("sqs", "RemovePermission", permissions.remove_permission)
    send_message = operation("sqs", "SendMessage", sending.send_message)
    send_message_batch = operation("sqs", "SendMessageBatch", sending.send_message_batch)
    set_queue_attributes = operation("sqs", "SetQueueAttributes", queues.set_queue_attributes)
    start_message_move_task = operation("sqs", "StartMessageMoveTask", moving.start_message_move_task)
    #: For who has no use for a message a second time; SQS has no such operation.
    receive_and_delete = operation("sqs", "ReceiveMessage", waiting.receive_and_delete)
    tag_queue = operation("sqs", "TagQueue", tags.tag_queue)
    untag_queue = operation("sqs", "UntagQueue", tags.untag_queue)
