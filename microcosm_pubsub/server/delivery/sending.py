"""
Post a message to a web server of a private network.

The addresses of its name are looked up first, and the connection goes to one of those that were judged, so that a name
that changes its address in between leads nowhere else. Neither redirections nor proxies are followed.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from ipaddress import ip_address
from socket import SOCK_STREAM, create_connection, getaddrinfo
from ssl import create_default_context
from urllib.parse import SplitResult, unquote, urlsplit

from microcosm_pubsub.broker.sns.endpoints import is_private


#: SNS waits this many seconds for an answer.
#: https://docs.aws.amazon.com/sns/latest/dg/sns-http-https-endpoint-as-subscriber.html
ANSWER_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class Failure:
    """
    Say why a message was not taken.

    :param is_final: whether to try again would help nothing
    """

    reason: str
    is_final: bool


def post(url: str, body: bytes, headers: Mapping[str, str]) -> Failure | None:
    """Post a body, and return why it was not taken; None if it was."""
    parts = urlsplit(url)
    try:
        connection = connect(parts)
    except PermissionError as error:
        return Failure(str(error), is_final=True)
    except (OSError, UnicodeError) as error:
        return Failure(f"cannot connect: {error}", is_final=False)
    target = f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}"
    try:
        connection.request("POST", target, body, {**headers, **_authorization(parts), "Connection": "close"})
        status = connection.getresponse().status
    except (OSError, HTTPException) as error:
        return Failure(f"no answer: {error!r}", is_final=False)
    finally:
        connection.close()
    return judge(status)


def judge(status: int) -> Failure | None:
    """
    Return why a status means that a message was not taken; None if it was.

    https://docs.aws.amazon.com/sns/latest/dg/sns-message-delivery-retries.html
    """
    if 200 <= status < 300:
        return None
    return Failure(f"it answered {status}", is_final=status < 500 and status != 429)


def connect(parts: SplitResult) -> HTTPConnection:
    """
    Return a connection to a web server.

    :raises PermissionError: if one of its addresses is in no private network
    :raises OSError: if it cannot be reached
    """
    host = str(parts.hostname)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    addresses = [str(found[4][0]) for found in getaddrinfo(host, port, type=SOCK_STREAM)]
    for address in addresses:
        if not is_private(ip_address(address.partition("%")[0])):
            raise PermissionError(f"{host} is at {address}, in no private network")
    socket = create_connection((addresses[0], port), ANSWER_SECONDS)
    connection = HTTPConnection(host, port, timeout=ANSWER_SECONDS)
    try:
        connection.sock = (
            create_default_context().wrap_socket(socket, server_hostname=host) if parts.scheme == "https" else socket
        )
    except OSError:
        socket.close()
        raise
    return connection


def _authorization(parts: SplitResult) -> dict[str, str]:
    if parts.username is None:
        return {}
    user = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return {"Authorization": f"Basic {b64encode(user.encode()).decode()}"}
