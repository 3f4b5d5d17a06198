"""
The endpoints that may be subscribed to a topic beside queues, by protocol.

Messages to web servers go to private networks alone, so that no test ever calls a stranger; the addresses by which
clouds tell machines of themselves (169.254.0.0/16) are none of these.

https://docs.aws.amazon.com/sns/latest/api/API_Subscribe.html
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from re import fullmatch
from urllib.parse import urlsplit

from microcosm_pubsub.broker import names
from microcosm_pubsub.broker.sns.refusals import invalid_parameter
from microcosm_pubsub.broker.sns.subscription_attributes import QUEUE_ARN


#: Protocols of web servers, which have to confirm a subscription.
WEB = ("http", "https")

#: Protocols whose messages are written to the server's log.
LOGGED = ("email", "email-json", "sms")

#: Loopback, and the networks of https://www.rfc-editor.org/rfc/rfc1918 and https://www.rfc-editor.org/rfc/rfc4193
PRIVATE_NETWORKS = tuple(
    map(ip_network, ("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "::1/128", "fc00::/7"))
)

#: A number has at most 15 digits: https://www.itu.int/rec/T-REC-E.164
PHONE_NUMBER = r"\+?[0-9](?:[ .()-]{0,2}[0-9]){2,14}"


def check_endpoint(protocol: str, endpoint: str, topic_name: str) -> str:
    """
    Return an endpoint as it is stored.

    :raises Refusal: if a topic cannot have it
    """
    if protocol == "sqs":
        return _check_queue(endpoint, topic_name)
    if names.is_fifo(topic_name):
        raise invalid_parameter("Invalid parameter: Endpoint Reason: FIFO topics take queues alone")
    if protocol in WEB:
        _check_url(protocol, endpoint)
    elif protocol == "sms":
        if not fullmatch(PHONE_NUMBER, endpoint):
            raise invalid_parameter(f"Invalid SMS endpoint: {endpoint}")
    elif not fullmatch(r"[^@\s]{1,64}@[^@\s]{1,255}", endpoint):
        raise invalid_parameter("Email address")
    return endpoint


def _check_queue(endpoint: str, topic_name: str) -> str:
    if not fullmatch(QUEUE_ARN, endpoint):
        raise invalid_parameter("SQS endpoint ARN")
    name = names.name_of(endpoint)
    if names.is_fifo(name) and not names.is_fifo(topic_name):
        raise invalid_parameter(
            "Invalid parameter: Endpoint Reason: FIFO SQS Queues can not be subscribed to standard SNS topics"
        )
    return names.stored_queue_arn(name)


def _check_url(protocol: str, endpoint: str) -> None:
    try:
        parts = urlsplit(endpoint)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host or not endpoint.startswith(f"{protocol}://") or fullmatch(r"[!-~]{1,2048}", endpoint) is None:
        raise invalid_parameter("Endpoint must match the specified protocol")
    address = parse_address(host)
    if address is not None and not is_private(address):
        raise invalid_parameter(f"Unreachable Endpoint Reason: {host} is in no private network, to which alone is sent")


def parse_address(host: str) -> IPv4Address | IPv6Address | None:
    """Return the address that a host is given as; None if it is a name."""
    try:
        return ip_address(host)
    except ValueError:
        return None


def is_private(address: IPv4Address | IPv6Address) -> bool:
    """Return whether an address is of this machine or of a private network."""
    mapped = getattr(address, "ipv4_mapped", None)
    return any((mapped or address) in network for network in PRIVATE_NETWORKS)
