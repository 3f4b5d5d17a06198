"""
The wire: what we call, how boto3 is set up to answer, and what its errors mean.

A client is any object with the boto3 methods of `QueueClient` or `TopicClient`. This is the only
module that imports boto3; the embedded engines and the readers are clients of their own.
"""

from __future__ import annotations

from ipaddress import ip_address
from re import compile as compile_pattern
from typing import Any, Protocol, cast
from urllib.parse import urlsplit

import boto3
from botocore.client import BaseClient
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    InvalidRegionError,
    NoCredentialsError,
    NoRegionError,
    ParamValidationError,
    PartialCredentialsError,
    ProfileNotFound,
)
from botocore.parsers import ResponseParserError
from microcosm.api import typed

from microcosm_pubsub import types
from microcosm_pubsub.errors import ConfigurationError, QueueAccessError, ReceiveError
from microcosm_pubsub.graph import defaults
from microcosm_pubsub.reader import LAMBDA, Reader, SQSFileReader, SQSStdInReader, is_stdin, is_url
from microcosm_pubsub.transport import TRANSPORTS, Parts, attach, choose_parts, client_transport, start
from microcosm_pubsub.version import VERSION


class QueueClient(Protocol):
    """What we call of boto3's SQS client."""

    def receive_message(self, **kwargs: Any) -> dict[str, Any]: ...

    def delete_message(self, **kwargs: Any) -> Any: ...

    def delete_message_batch(self, **kwargs: Any) -> dict[str, Any]: ...

    def change_message_visibility(self, **kwargs: Any) -> Any: ...

    def change_message_visibility_batch(self, **kwargs: Any) -> dict[str, Any]: ...


class TopicClient(Protocol):
    """What we call of boto3's SNS client."""

    def publish(self, **kwargs: Any) -> dict[str, Any]: ...

    def publish_batch(self, **kwargs: Any) -> dict[str, Any]: ...


#: What botocore raises, beside errors of its own, for an answer that something on the way made up: its parser stumbles.
UNREADABLE_ANSWER = (AttributeError, LookupError, RecursionError, ResponseParserError, TypeError, ValueError)

#: What a client raises when a call fails.
CLIENT_ERRORS = (BotoCoreError, ClientError, *UNREADABLE_ANSWER)

#: Error codes that stay until somebody changes something, with what to change.
#: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/CommonErrors.html
LASTING_ERRORS = {
    "AWS.SimpleQueueService.NonExistentQueue": "create the queue, or correct sqs_consumer.sqs_queue_url",
    "QueueDoesNotExist": "create the queue, or correct sqs_consumer.sqs_queue_url",
    "InvalidAddress": "correct sqs_consumer.sqs_queue_url",
    "AccessDenied": "allow sqs:ReceiveMessage, sqs:DeleteMessage and sqs:ChangeMessageVisibility",
    "AccessDeniedException": "allow sqs:ReceiveMessage, sqs:DeleteMessage and sqs:ChangeMessageVisibility",
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

LOCAL_REGION = "us-east-1"

#: Domains that are not of the public network.
LOCAL_DOMAINS = frozenset({"internal", "local", "localhost", "test"})

#: An endpoint of SQS, with its region: public, dual-stack, FIPS, or of a VPC.
#: https://docs.aws.amazon.com/general/latest/gr/sqs-service.html
AWS_HOST = compile_pattern(
    r"(?:vpce-[a-z0-9-]+\.)?sqs(?:-fips)?\.([a-z0-9-]+)\.(?:(?:vpce\.)?amazonaws\.com(?:\.cn)?|api\.aws)"
)

CREDENTIALS_ADVICE = (
    "provide AWS credentials by environment variables, a profile or a role; see "
    "https://docs.aws.amazon.com/boto3/latest/guide/credentials.html"
)


def convert_receive_error(error: Exception, queue_url: str) -> ReceiveError:
    """Return what a failed call on a queue means to us: passing, or lasting and what to do about it."""
    if isinstance(error, (NoCredentialsError, PartialCredentialsError)):
        return QueueAccessError(f"Cannot receive from {queue_url}: {error}; {CREDENTIALS_ADVICE}")
    if isinstance(error, ParamValidationError):
        return QueueAccessError(f"Cannot receive from {queue_url}: {error}")
    code = error_code(error)
    if advice := LASTING_ERRORS.get(code):
        return QueueAccessError(f"Cannot receive from {queue_url}: {code}; {advice}")
    # what a parser says may quote the answer
    said = f"its answer cannot be read ({code})" if isinstance(error, UNREADABLE_ANSWER) else error
    return ReceiveError(f"Cannot receive from {queue_url} at the moment: {said}")


def error_code(error: Exception) -> str:
    """Return the code of a client's error, or its class name."""
    if isinstance(error, ClientError):
        return str(error.response.get("Error", {}).get("Code", "Unknown"))
    return type(error).__name__


def make_client(
    service: str,
    *,
    profile_name: str | None,
    region_name: str | None,
    endpoint_url: str | None,
    connect_timeout: float,
    read_timeout: float,
    max_pool_connections: int,
    max_attempts: int,
    default_region: str | None = None,
    transport: str | Parts = "auto",
) -> Any:
    """
    Make a boto3 client.

    :param service: "sqs" or "sns"
    :param default_region: the region if neither `region_name` nor boto3's own settings name one
    :param connect_timeout: in seconds
    :param read_timeout: in seconds; longer than a long poll
    :param max_attempts: how often a call is tried before its error is raised; standard mode, see
        https://docs.aws.amazon.com/boto3/latest/guide/retries.html
    :param transport: how its most frequent calls are made, see `microcosm_pubsub.transport`: "botocore" as boto3 makes
        them; "auto" with the cheapest parts that are installed; "crt" with signatures of awscrt; or with these parts
    :raises ConfigurationError: if it cannot be made
    """
    check_endpoint(endpoint_url)
    parts = transport if isinstance(transport, Parts) else choose_parts(transport)
    config = Config(
        connect_timeout=connect_timeout,
        read_timeout=read_timeout,
        max_pool_connections=max_pool_connections,
        retries={"mode": "standard", "total_max_attempts": max_attempts},
        user_agent_extra=f"microcosm_pubsub/{VERSION}",
    )
    try:
        session = boto3.Session(profile_name=profile_name)
        if parts:
            attach(session, parts)
        client = session.client(
            service,
            # an engine on this machine has no region, but its requests are signed for one
            region_name=region_name
            or session.region_name
            or default_region
            or (LOCAL_REGION if endpoint_url else None),
            endpoint_url=endpoint_url,
            config=config,
        )
    except NoRegionError:
        raise ConfigurationError(
            f"No AWS region for {service}: set AWS_DEFAULT_REGION, or region_name of "
            f"{'sqs_consumer, or give the whole URL of the queue' if service == 'sqs' else 'sns_producer'}"
        ) from None
    except ProfileNotFound as error:
        raise ConfigurationError(f"{error}: correct profile_name, or add it to ~/.aws/config") from error
    except (InvalidRegionError, ValueError) as error:
        # botocore raises ValueError for an endpoint that is no URL
        raise ConfigurationError(f"Cannot make a client of {service}: {error}") from error
    if parts:
        start(client)
    return client


def describe_client(client: Any) -> str:
    """Return how a client makes its calls, in a word or two: its transport, or what it is if it is not boto3's."""
    return client_transport(client) if isinstance(client, BaseClient) else type(client).__name__


def check_endpoint(endpoint_url: str | None) -> None:
    """
    Refuse an endpoint to which messages would travel in the open.

    Plain HTTP is for engines on this machine, or in a private network: a name without a dot (as containers have), one
    that is reserved for local use, or a private address.
    https://www.iana.org/assignments/special-use-domain-names/special-use-domain-names.xhtml

    :raises ConfigurationError: if it is one
    """
    url = urlsplit(endpoint_url or "")
    if url.scheme != "http" or is_local_host(url.hostname or ""):
        return
    raise ConfigurationError(
        f"The endpoint http://{url.hostname} is not local, and what is sent there could be read on the way: use https"
    )


def is_local_host(host: str) -> bool:
    """Tell whether a host is this machine, or of a private network."""
    try:
        address = ip_address(host)
    except ValueError:
        return "." not in host or host.rpartition(".")[2] in LOCAL_DOMAINS
    return address.is_private or address.is_loopback or address.is_link_local


def region_of(queue_url: str | None) -> str | None:
    """Return the region that a queue URL of AWS names, if it is one."""
    match = AWS_HOST.fullmatch(urlsplit(queue_url or "").hostname or "")
    return match[1] if match else None


def region_of_arn(arn: str) -> str | None:
    """Return the region that an ARN names, if it is one."""
    parts = arn.split(":")
    return (parts[3] or None) if parts[0] == "arn" and len(parts) > 5 else None


def endpoint_of(queue_url: str | None) -> str | None:
    """Return the endpoint that a queue URL stands for, unless it is the one that boto3 calls by itself."""
    if not queue_url or not is_url(queue_url):
        return None
    url = urlsplit(queue_url)
    host = url.hostname or ""
    is_public = ".amazonaws." in host and not any(kind in host for kind in (".vpce.", "-fips."))
    return None if is_public else f"{url.scheme}://{url.netloc}"


def pool_defaults(key: str) -> dict[str, Any]:
    """Return the defaults of a client's connections and retries."""
    return {
        "transport": typed(types.choice(f"{key}.transport", *TRANSPORTS), default_value="auto"),
        "max_pool_connections": typed(types.integer(f"{key}.max_pool_connections", minimum=1), default_value=25),
        "max_attempts": typed(types.integer(f"{key}.max_attempts", minimum=1), default_value=3),
    }


@defaults(
    connect_timeout=typed(types.number("sqs_client.connect_timeout", minimum=0), default_value=10.0),
    read_timeout=typed(types.number("sqs_client.read_timeout", minimum=0), default_value=60.0),
    **pool_defaults("sqs_client"),
)
def configure_sqs_client(graph: Any) -> QueueClient:
    """
    Configure the client of the graph's queue, bound as `sqs_client`.

    In testing graphs it records its calls, over a broker in memory; for `STDIN` or a file it is a reader; in a graph
    that has a broker it is the broker's.
    """
    consumer, config = graph.config.sqs_consumer, graph.config.sqs_client
    if graph.metadata.testing:
        return cast(QueueClient, graph.pubsub_testing.sqs_client)
    source = consumer.sqs_queue_url
    if source == LAMBDA:
        return Reader()
    if source and is_stdin(source):
        return SQSStdInReader()
    if source and not is_url(source) and SQSFileReader.can_read(source):
        return SQSFileReader(source)
    if graph.pubsub_broker is not None:
        return cast(QueueClient, graph.pubsub_broker.queue_client)
    return cast(
        QueueClient,
        make_client(
            "sqs",
            profile_name=consumer.profile_name,
            region_name=consumer.region_name or region_of(source),
            endpoint_url=consumer.endpoint_url or endpoint_of(source),
            connect_timeout=config.connect_timeout,
            read_timeout=config.read_timeout,
            max_pool_connections=config.max_pool_connections,
            max_attempts=config.max_attempts,
            transport=config.transport,
        ),
    )


@defaults(**pool_defaults("sns_client"))
def configure_sns_client(graph: Any) -> TopicClient:
    """
    Configure the client of the graph's topics, bound as `sns_client`.

    In testing graphs it records its calls, over a broker in memory; in a graph that has a broker it is the broker's.
    """
    producer, config = graph.config.sns_producer, graph.config.sns_client
    if graph.metadata.testing:
        return cast(TopicClient, graph.pubsub_testing.sns_client)
    if graph.pubsub_broker is not None:
        return cast(TopicClient, graph.pubsub_broker.topic_client)
    arns = graph.sns_topic_arns
    region = next(filter(None, map(region_of_arn, [arns.default or "", *arns.values()])), None)
    return cast(
        TopicClient,
        make_client(
            "sns",
            profile_name=producer.profile_name,
            region_name=producer.region_name or region,
            endpoint_url=producer.endpoint_url,
            connect_timeout=producer.connect_timeout,
            read_timeout=producer.read_timeout,
            max_pool_connections=config.max_pool_connections,
            max_attempts=config.max_attempts,
            transport=config.transport,
            # without a topic nothing can be published, and the region does not matter
            default_region=LOCAL_REGION,
        ),
    )
