"""
The wire: what we call, how boto3 is set up to answer, and what its errors mean.

A client is any object with the boto3 methods of `QueueClient` or `TopicClient`; the embedded engine and the readers
are clients of their own.
"""

from microcosm_pubsub.clients.boto import LOCAL_REGION, describe_client, make_client
from microcosm_pubsub.clients.codes import (
    CLIENT_ERRORS,
    CREDENTIALS_ADVICE,
    LASTING_ERRORS,
    NAME_ERRORS,
    TOPIC_ERRORS,
    UNREADABLE_ANSWER,
    convert_receive_error,
    error_code,
    explain_code,
)
from microcosm_pubsub.clients.factory import configure_sns_client, configure_sqs_client, find_account_client
from microcosm_pubsub.clients.protocols import QueueClient, TopicClient
from microcosm_pubsub.clients.urls import check_endpoint, endpoint_of, is_local_host, region_of, region_of_arn


__all__ = [
    "CLIENT_ERRORS",
    "CREDENTIALS_ADVICE",
    "LASTING_ERRORS",
    "LOCAL_REGION",
    "NAME_ERRORS",
    "TOPIC_ERRORS",
    "UNREADABLE_ANSWER",
    "QueueClient",
    "TopicClient",
    "check_endpoint",
    "configure_sns_client",
    "configure_sqs_client",
    "convert_receive_error",
    "describe_client",
    "endpoint_of",
    "error_code",
    "explain_code",
    "find_account_client",
    "is_local_host",
    "make_client",
    "region_of",
    "region_of_arn",
]
