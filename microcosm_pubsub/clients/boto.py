"""
Clients of AWS, as boto3 makes them; the only module that imports boto3.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
from botocore.client import BaseClient
from botocore.config import Config
from botocore.exceptions import (
    InvalidRegionError,
    NoRegionError,
    ProfileNotFound,
)

from microcosm_pubsub.clients.codes import WITHOUT_AWS
from microcosm_pubsub.clients.fork import start_client_anew
from microcosm_pubsub.clients.urls import check_endpoint
from microcosm_pubsub.config.fork import start_anew_in_child
from microcosm_pubsub.errors import ConfigurationError
from microcosm_pubsub.fast import PLAIN
from microcosm_pubsub.fast.trace_header import add_trace_header
from microcosm_pubsub.fast.transport import (
    TransportParts,
    attach,
    choose_parts,
    client_transport,
    find_hindrance,
    start,
)
from microcosm_pubsub.version import VERSION


LOCAL_REGION = "us-east-1"


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
    transport: str | TransportParts = "auto",
    is_traced: bool = False,
) -> Any:
    """
    Make a boto3 client.

    :param service: "sqs" or "sns"
    :param default_region: the region if neither `region_name` nor boto3's own settings name one
    :param connect_timeout: in seconds
    :param read_timeout: in seconds; longer than a long poll
    :param max_attempts: how often a call is tried before its error is raised; standard mode, see
        https://docs.aws.amazon.com/boto3/latest/guide/retries.html
    :param transport: how its most frequent calls are made, see `microcosm_pubsub.fast.transport`: "botocore" as boto3
        makes them; "auto" with the cheapest parts that are installed; "crt" with signatures of awscrt; or with these
        parts
    :param is_traced: whether its most frequent calls have spans of our own, so that OpenTelemetry's instrumentation of
        botocore need not see them
    :raises ConfigurationError: if it cannot be made
    """
    check_endpoint(endpoint_url)
    parts = transport if isinstance(transport, TransportParts) else choose_parts("botocore" if PLAIN else transport)
    # An engine on this machine has no region, but its requests are signed for one.
    local_region = LOCAL_REGION if endpoint_url else None
    with _explaining(service):
        session = boto3.Session(profile_name=profile_name)
        if parts:
            attach(session, parts)
        client = session.client(
            service,
            region_name=region_name or session.region_name or default_region or local_region,
            endpoint_url=endpoint_url,
            config=_make_config(connect_timeout, read_timeout, max_pool_connections, max_attempts),
        )
    if is_traced:
        client.meta.events.register("before-call", add_trace_header)
    if parts:
        start(client, is_traced)
    start_anew_in_child(client, start_client_anew)
    return client


@contextmanager
def _explaining(service: str) -> Iterator[None]:
    """
    Say what to do about an error of boto3, for a client that it should make.

    :raises ConfigurationError: in its place
    """
    try:
        yield
    except NoRegionError:
        section = "sqs_consumer, or give the whole URL of the queue" if service == "sqs" else "sns_producer"
        raise ConfigurationError(
            f"No AWS region for {service}: set AWS_DEFAULT_REGION, or region_name of {section}; {WITHOUT_AWS}"
        ) from None
    except ProfileNotFound as error:
        raise ConfigurationError(f"{error}: correct profile_name, or add it to ~/.aws/config") from error
    except (InvalidRegionError, ValueError) as error:
        # botocore raises ValueError for an endpoint that is no URL.
        raise ConfigurationError(f"Cannot make a client of {service}: {error}") from error


def _make_config(connect_timeout: float, read_timeout: float, max_pool_connections: int, max_attempts: int) -> Config:
    return Config(
        connect_timeout=connect_timeout,
        read_timeout=read_timeout,
        max_pool_connections=max_pool_connections,
        retries={"mode": "standard", "total_max_attempts": max_attempts},
        user_agent_extra=f"microcosm_pubsub/{VERSION}",
    )


def describe_client(client: Any) -> str:
    """Return how a client makes its calls, and why not otherwise: its transport, or its class if it is not boto3's."""
    if not isinstance(client, BaseClient):
        return type(client).__name__
    reason = find_hindrance(client)
    return client_transport(client) if reason is None else f"botocore, since {reason}"
