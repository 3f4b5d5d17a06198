"""
The way of a request to its endpoint: which of botocore's connections it takes, directly or through a proxy.

Through a proxy that tunnels (`CONNECT`, for https), botocore opens the tunnel, and what is sent in it is what would be
sent without. A proxy that forwards (for http) is sent the whole URL, and what it wants to know of the sender.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from microcosm_pubsub.fast.transport.errors import FallBack


@dataclass(frozen=True, slots=True)
class Way:
    """
    The way of requests to a URL.

    :param pool: the connections, botocore's own
    :param target: the target in the request's first line
    :param headers: those that are added for a proxy
    """

    pool: Any
    target: str
    headers: dict[str, str]


def find_way(session: Any, url: str) -> Way:
    """
    Return the way that botocore's HTTP session takes to a URL.

    :param session: a `URLLib3Session`
    :raises FallBack: if that is not known here
    """
    proxy_url = session._proxy_config.proxy_url_for(url)
    pool = session._get_connection_manager(url, proxy_url).connection_from_url(url)
    target = session._get_request_target(url, proxy_url)
    if not proxy_url:
        return Way(pool, target, {})
    if not proxy_url.startswith("http://"):
        # TLS within TLS is no socket that can be waited for
        raise FallBack("the proxy speaks TLS")
    headers = dict(pool.proxy_headers) if target == url else {}
    return Way(pool, target, {str(name): str(value) for name, value in headers.items()})
