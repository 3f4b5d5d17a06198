"""
The errors of the broker's clients: the very classes and codes of boto3's.

The classes are made from botocore's own model of each service, as boto3 makes its own.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from botocore.errorfactory import ClientExceptionsFactory
from botocore.exceptions import ClientError
from botocore.loaders import create_loader
from botocore.model import ServiceModel

from microcosm_pubsub.broker.ids import new_id


#: The codes that boto3 shows for errors of SQS that have another name in its model.
#: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-json-faqs.html
QUERY_CODES = {
    "BatchEntryIdsNotDistinct": "AWS.SimpleQueueService.BatchEntryIdsNotDistinct",
    "BatchRequestTooLong": "AWS.SimpleQueueService.BatchRequestTooLong",
    "EmptyBatchRequest": "AWS.SimpleQueueService.EmptyBatchRequest",
    "InvalidBatchEntryId": "AWS.SimpleQueueService.InvalidBatchEntryId",
    "MessageNotInflight": "AWS.SimpleQueueService.MessageNotInflight",
    "PurgeQueueInProgress": "AWS.SimpleQueueService.PurgeQueueInProgress",
    "QueueDeletedRecently": "AWS.SimpleQueueService.QueueDeletedRecently",
    "QueueDoesNotExist": "AWS.SimpleQueueService.NonExistentQueue",
    "QueueNameExists": "QueueAlreadyExists",
    "TooManyEntriesInBatchRequest": "AWS.SimpleQueueService.TooManyEntriesInBatchRequest",
    "UnsupportedOperation": "AWS.SimpleQueueService.UnsupportedOperation",
}


@cache
def load_service(name: str) -> ServiceModel:
    """Return botocore's model of a service: "sqs" or "sns"."""
    return ServiceModel(create_loader().load_service_model(name, "service-2"), name)


@cache
def load_exceptions(service: str) -> Any:
    """Return the exceptions of a service, as they stand under `client.exceptions`."""
    return ClientExceptionsFactory().create_client_exceptions(load_service(service))


def refuse(service: str, operation: str, name: str, text: str, status: int = 400) -> ClientError:
    """
    Return the error with which a client refuses a call.

    :param name: the error's name in the service's model, or its code if it has none there
    """
    exceptions = load_exceptions(service)
    cls = getattr(exceptions, name) if name in dir(exceptions) else ClientError
    if service == "sqs":
        code = QUERY_CODES.get(name, name)
    else:
        code = load_service(service).shape_for(name).error_code if cls is not ClientError else name
    error = {"Type": "Sender", "Code": code, "Message": text}
    refused: ClientError = cls({"Error": error, "ResponseMetadata": metadata(status)}, operation)
    return refused


def metadata(status: int = 200) -> dict[str, Any]:
    """Return the metadata that boto3 gives of an HTTP exchange."""
    return {"RequestId": new_id(), "HTTPStatusCode": status, "HTTPHeaders": {}, "RetryAttempts": 0}
