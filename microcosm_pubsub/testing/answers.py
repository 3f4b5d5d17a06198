"""
The shape of what SQS and SNS answer.

Owns the errors, with the codes that boto3 shows, the metadata of an answer, and the one way in which
a batch call is checked and run, entry by entry. Both in-memory clients answer through here.
"""

from collections.abc import Callable, Mapping, Sequence
from re import fullmatch
from typing import Any
from uuid import uuid4

from botocore.exceptions import ClientError

from microcosm_pubsub.constants import MAX_BATCH_ENTRIES


#: Error codes of the SQS batch calls begin so; those of SNS do not.
#: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessageBatch.html
QUEUE_PREFIX = "AWS.SimpleQueueService."

ENTRY_ID = r"[A-Za-z0-9_-]{1,80}"


def answer(**members: Any) -> dict[str, Any]:
    """Return an answer with its metadata."""
    return {**members, "ResponseMetadata": metadata(200)}


def refuse(operation: str, code: str, text: str) -> ClientError:
    """Return the error with which a client refuses a call."""
    error = {"Type": "Sender", "Code": code, "Message": text}
    return ClientError({"Error": error, "ResponseMetadata": metadata(400)}, operation)


def metadata(status: int) -> dict[str, Any]:
    """Return what boto3 tells about an HTTP exchange."""
    return {"RequestId": str(uuid4()), "HTTPStatusCode": status, "HTTPHeaders": {}, "RetryAttempts": 0}


def require_within(operation: str, name: str, value: int, minimum: int, maximum: int) -> int:
    """Return the value of a parameter, or refuse it as SQS does."""
    if minimum <= value <= maximum:
        return value
    raise refuse(
        operation,
        "InvalidParameterValue",
        f"Value {value} for parameter {name} is invalid. Reason: Must be between {minimum} and {maximum}, if provided.",
    )


def run_batch(
    operation: str,
    entries: Sequence[Mapping[str, Any]],
    act: Callable[[Mapping[str, Any]], Mapping[str, Any]],
    prefix: str = "",
) -> dict[str, list[dict[str, Any]]]:
    """
    Run each entry of a batch call by itself.

    :param act: does what one entry asks for and returns the members of its answer
    :param prefix: how this service's error codes begin
    :returns: the lists `Successful` and `Failed`
    :raises ClientError: if the batch as a whole is refused
    """
    check_batch(operation, entries, prefix)
    successful: list[dict[str, Any]] = []
    failed: list[dict[str, Any]] = []
    for entry in entries:
        try:
            successful.append({"Id": entry["Id"], **act(entry)})
        except ClientError as error:
            details = error.response["Error"]
            failed.append(
                {
                    "Id": entry["Id"],
                    "SenderFault": True,
                    "Code": details["Code"],
                    "Message": details["Message"],
                }
            )
    return {"Successful": successful, "Failed": failed}


def check_batch(operation: str, entries: Sequence[Mapping[str, Any]], prefix: str) -> None:
    """Refuse a batch that is empty, too long, or whose entries cannot be told apart."""
    ids = [entry["Id"] for entry in entries]
    if not ids:
        raise refuse(operation, f"{prefix}EmptyBatchRequest", "The batch request has no entries.")
    if len(ids) > MAX_BATCH_ENTRIES:
        raise refuse(
            operation,
            f"{prefix}TooManyEntriesInBatchRequest",
            f"Maximum number of entries per request are {MAX_BATCH_ENTRIES}. You have sent {len(ids)}.",
        )
    if not all(fullmatch(ENTRY_ID, entry_id) for entry_id in ids):
        raise refuse(
            operation,
            f"{prefix}InvalidBatchEntryId",
            "A batch entry id can only contain alphanumeric characters, hyphens and underscores. "
            "It can be at most 80 letters long.",
        )
    if len(set(ids)) < len(ids):
        raise refuse(operation, f"{prefix}BatchEntryIdsNotDistinct", "Two entries have the same Id.")
