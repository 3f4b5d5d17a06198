"""
The meaning of clients' errors: some pass, others stay until somebody changes something.
"""

from __future__ import annotations

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    NoCredentialsError,
    ParamValidationError,
    PartialCredentialsError,
)
from botocore.parsers import ResponseParserError

from microcosm_pubsub.errors import QueueAccessError, ReceiveError


#: The errors of botocore's parser, beside its own, for an answer that something on the way made up.
UNREADABLE_ANSWER = (AttributeError, LookupError, RecursionError, ResponseParserError, TypeError, ValueError)

#: The errors of a client when a call fails.
CLIENT_ERRORS = (BotoCoreError, ClientError, *UNREADABLE_ANSWER)

#: Who tries this without AWS is told the first of its settings that is missing, and means none.
WITHOUT_AWS = "without AWS, set PUBSUB_BROKER_URL to a broker's database"

CREDENTIALS_ADVICE = (
    "provide AWS credentials by environment variables, a profile or a role; see "
    f"https://docs.aws.amazon.com/boto3/latest/guide/credentials.html; {WITHOUT_AWS}"
)

#: Error codes of any service that stay until somebody changes something, with what to change.
#: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/CommonErrors.html
ACCOUNT_ERRORS = {
    "InvalidClientTokenId": "correct the AWS credentials",
    "UnrecognizedClientException": "correct the AWS credentials",
    "InvalidSecurity": "correct the AWS credentials",
    "SignatureDoesNotMatch": "correct the AWS secret key, or this machine's clock",
    "ExpiredToken": "renew the AWS session token",
    "ExpiredTokenException": "renew the AWS session token",
    "MissingAuthenticationToken": "provide AWS credentials",
    "StorageFull": "make room on the broker's disk",
    "OptInRequired": "enable the region for the AWS account",
}

#: Those of a receive.
LASTING_ERRORS = {
    "AWS.SimpleQueueService.NonExistentQueue": "create the queue, or correct sqs_consumer.sqs_queue_url",
    "QueueDoesNotExist": "create the queue, or correct sqs_consumer.sqs_queue_url",
    "InvalidAddress": "correct sqs_consumer.sqs_queue_url",
    "AccessDenied": "allow sqs:ReceiveMessage, sqs:DeleteMessage and sqs:ChangeMessageVisibility",
    "AccessDeniedException": "allow sqs:ReceiveMessage, sqs:DeleteMessage and sqs:ChangeMessageVisibility",
    **ACCOUNT_ERRORS,
}

#: Those of a look for the URL of a queue, by its name.
NAME_ERRORS = {
    "AWS.SimpleQueueService.NonExistentQueue": "create the queue, or correct its name or the region",
    "QueueDoesNotExist": "create the queue, or correct its name or the region",
    "AccessDenied": "allow sqs:GetQueueUrl, or give the whole URL",
    "AccessDeniedException": "allow sqs:GetQueueUrl, or give the whole URL",
    "NoCredentialsError": CREDENTIALS_ADVICE,
    **ACCOUNT_ERRORS,
}

#: Those of a publish. https://docs.aws.amazon.com/sns/latest/api/API_Publish.html#API_Publish_Errors
TOPIC_ERRORS = {
    "NotFound": "create the topic, or correct sns_topic_arns",
    "AuthorizationError": "allow sns:Publish on the topic",
    "AccessDenied": "allow sns:Publish on the topic",
    "AccessDeniedException": "allow sns:Publish on the topic",
    "KMSAccessDenied": "allow kms:GenerateDataKey and kms:Decrypt on the topic's key",
    "NoCredentialsError": CREDENTIALS_ADVICE,
    **ACCOUNT_ERRORS,
}


def convert_receive_error(error: Exception, queue_url: str) -> ReceiveError:
    """Return the meaning of a failed call on a queue: an error that passes, or one that lasts, with the remedy."""
    if isinstance(error, (NoCredentialsError, PartialCredentialsError)):
        return QueueAccessError(f"Cannot receive from {queue_url}: {error}; {CREDENTIALS_ADVICE}")
    if isinstance(error, ParamValidationError):
        return QueueAccessError(f"Cannot receive from {queue_url}: {error}")
    code = error_code(error)
    if advice := LASTING_ERRORS.get(code):
        return QueueAccessError(f"Cannot receive from {queue_url}: {code}; {advice}")
    # A parser's error may quote the answer.
    said = f"its answer cannot be read ({code})" if isinstance(error, UNREADABLE_ANSWER) else error
    return ReceiveError(f"Cannot receive from {queue_url} at the moment: {said}")


def explain_code(code: str, right: str) -> str:
    """
    Return an error's code, with what can be done about it if that is known.

    :param right: that the call needs
    """
    advice = f"allow {right}" if code.startswith("AccessDenied") else ACCOUNT_ERRORS.get(code)
    return f"{code} ({advice})" if advice else code


def error_code(error: Exception) -> str:
    """Return the code of a client's error, or its class name."""
    if isinstance(error, ClientError):
        return str(error.response.get("Error", {}).get("Code", "Unknown"))
    return type(error).__name__
