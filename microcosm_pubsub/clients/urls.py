"""
The regions and endpoints in URLs and ARNs, and the endpoints that are refused.
"""

from __future__ import annotations

from ipaddress import ip_address
from re import compile as compile_pattern
from urllib.parse import urlsplit

from microcosm_pubsub.errors import ConfigurationError
from microcosm_pubsub.reader import is_url


#: Domains that are not of the public network.
LOCAL_DOMAINS = frozenset({"internal", "local", "localhost", "test"})

#: An endpoint of SQS, with its region: public, dual-stack, FIPS, or of a VPC.
#: https://docs.aws.amazon.com/general/latest/gr/sqs-service.html
AWS_HOST = compile_pattern(
    r"(?:vpce-[a-z0-9-]+\.)?sqs(?:-fips)?\.([a-z0-9-]+)\.(?:(?:vpce\.)?amazonaws\.com(?:\.cn)?|api\.aws)"
)


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
    """Return whether a host is this machine, or of a private network."""
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
