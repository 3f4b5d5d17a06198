"""
Fetching resources over HTTP.

One session for all handlers of a graph: pooled connections, no cookies, no credentials of its own,
and bounds on everything that a server could make endless: connecting, reading, the whole, redirects
and size. Only hosts that are allowed are ever asked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from http.cookiejar import DefaultCookiePolicy
from time import monotonic
from typing import Any, Final

from microcosm.api import typed
from requests import (
    ConnectTimeout,
    HTTPError,
    Request,
    RequestException,
    Response,
    Session,
    Timeout,
    TooManyRedirects,
)
from urllib3.exceptions import HTTPError as TransportError
from urllib3.exceptions import ReadTimeoutError

from microcosm_pubsub.config.fork import keep_inherited, start_anew_in_child
from microcosm_pubsub.config.graph import defaults
from microcosm_pubsub.config.values import integer, names, number
from microcosm_pubsub.errors import ResourceError
from microcosm_pubsub.graph import PubSubGraph
from microcosm_pubsub.handlers.deadline import Deadline, DeadlineAdapter
from microcosm_pubsub.handlers.header import clean_headers
from microcosm_pubsub.handlers.location import DEFAULT_PORTS, follow, host_name, locate, origin_of


BINDING: Final = "pubsub_uri_session"
CHUNK_BYTES: Final = 16 * 1024


class URINotAllowed(ResourceError):
    """
    Refuse to ask a host, or in a way, that is not allowed.

    :param reason: why, in a few words, for the log
    """

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(message, reason)
        self.reason = reason

    def __str__(self) -> str:
        return str(self.args[0])


class ResourceSession:
    """
    Fetch resources, within bounds; to be shared by threads.

    :param allowed_hosts: names of the hosts that may be asked; any, if there are none
    :param connect_timeout_seconds: how long connecting may take
    :param read_timeout_seconds: how long a server may be silent
    :param total_timeout_seconds: how long everything may take, redirects included
    :param max_redirects: how many redirects are followed
    :param max_response_bytes: how large a response may be, once decompressed
    :param pool_size: how many connections are kept, and to how many hosts
    :param clock: tells the time, in seconds
    """

    def __init__(
        self,
        *,
        allowed_hosts: Iterable[str] = (),
        connect_timeout_seconds: float = 5,
        read_timeout_seconds: float = 30,
        total_timeout_seconds: float = 60,
        max_redirects: int = 5,
        max_response_bytes: int = 10 * 1024 * 1024,
        pool_size: int = 10,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self.allowed_hosts = frozenset(host_name(host, f"{BINDING}.allowed_hosts") for host in allowed_hosts)
        self.connect_timeout_seconds = connect_timeout_seconds
        self.read_timeout_seconds = read_timeout_seconds
        self.total_timeout_seconds = total_timeout_seconds
        self.max_redirects = max_redirects
        self.max_response_bytes = max_response_bytes
        self._clock = clock
        self._pool_size = pool_size
        self._session = _BareSession(pool_size)
        start_anew_in_child(self, ResourceSession._start_anew)

    def get(self, uri: str, headers: Mapping[str, Any] | None = None) -> Any:
        """
        Fetch the resource of a URI.

        :param headers: sent to the host of the URI, and not to another one that it redirects to
        :returns: the `requests.Response`, whatever its status, with its content read
        :raises URINotAllowed: if the URI, or a redirect, leads to what may not be asked
        :raises ResourceError: if there is no complete response within the bounds
        """
        at = self._clock() + self.total_timeout_seconds
        deadline = Deadline(at, self.read_timeout_seconds, self._clock)
        try:
            with deadline.active():
                return self._follow(uri, clean_headers(headers or {}), deadline)
        except (RequestException, TransportError, TimeoutError, ValueError) as error:
            raise ResourceError(f"GET {locate(uri)} failed: {self._explain(error, deadline)}") from error

    def _start_anew(self) -> None:
        keep_inherited(self._session)
        self._session = _BareSession(self._pool_size)

    def close(self) -> None:
        """Close the connections that are kept."""
        self._session.close()

    def _follow(self, uri: str, headers: Mapping[str, Any], deadline: Deadline) -> Any:
        for _ in range(self.max_redirects + 1):
            request = self._session.prepare_request(Request("GET", uri, headers=headers))
            # The connection is made to the prepared URL, so that is judged.
            url = str(request.url)
            self._check(url)
            with closing(self._session.send_once(request, self._timeout(deadline))) as response:
                if not response.is_redirect:
                    self._read(response)
                    return response
                uri = follow(url, response.headers["Location"])
            if origin_of(uri) != origin_of(url):
                headers = {}
        raise TooManyRedirects(f"more than {self.max_redirects}")

    def _check(self, url: str) -> None:
        scheme, host, _ = origin_of(url)
        if scheme not in DEFAULT_PORTS:
            raise URINotAllowed(
                f"GET {locate(url)} refused: only URIs with http: or https: are fetched",
                reason="URI scheme not allowed",
            )
        if self.allowed_hosts and host not in self.allowed_hosts:
            raise URINotAllowed(
                f"GET {locate(url)} refused: to fetch from this host, add it to {BINDING}.allowed_hosts",
                reason="URI host not allowed",
            )

    def _timeout(self, deadline: Deadline) -> tuple[float, float]:
        return deadline.bound(self.connect_timeout_seconds), deadline.bound(self.read_timeout_seconds)

    def _read(self, response: Any) -> None:
        content = bytearray()
        for chunk in response.iter_content(CHUNK_BYTES):
            content += chunk
            if len(content) > self.max_response_bytes:
                raise ResourceError(
                    f"GET {locate(response.url)} failed: the response is larger than "
                    f"{self.max_response_bytes} bytes: fetch less, or raise {BINDING}.max_response_bytes"
                )
        # requests would read without bounds; given the content, it takes it from here.
        response._content = bytes(content)

    def _explain(self, error: Exception, deadline: Deadline) -> str:
        if deadline.passed:
            return (
                f"no complete response within {self.total_timeout_seconds} seconds: "
                f"look at that server, or raise {BINDING}.total_timeout_seconds"
            )
        if isinstance(error, TooManyRedirects):
            return f"more than {self.max_redirects} redirects: publish the URI that they lead to"
        if isinstance(error, ConnectTimeout):
            return f"no connection within {self.connect_timeout_seconds} seconds: look at that server"
        if _is_timeout(error):
            return (
                f"silence for {self.read_timeout_seconds} seconds: "
                f"look at that server, or raise {BINDING}.read_timeout_seconds"
            )
        return f"{type(error).__name__}: check that the URI is right and its server can be reached from here"


class _BareSession(Session):
    """Make single requests, with nothing but their own arguments."""

    def __init__(self, pool_size: int) -> None:
        super().__init__()
        self.headers["Accept"] = "application/json"
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        # Otherwise the credentials of ~/.netrc would replace those that a handler gives.
        self.auth = _unchanged
        adapter = DeadlineAdapter(pool_connections=pool_size, pool_maxsize=pool_size)
        self.mount("http://", adapter)
        self.mount("https://", adapter)

    def get_redirect_target(self, resp: Any) -> str | None:
        """Follow no redirect, and read no body of one: that is for the caller to judge."""
        return None

    def send_once(self, request: Any, timeout: tuple[float, float]) -> Any:
        """Send one request, and read nothing of the response but its headers."""
        settings = self.merge_environment_settings(request.url, {}, True, None, None)
        return self.send(request, timeout=timeout, allow_redirects=False, **settings)


def raise_for_status(response: Any) -> None:
    """
    Refuse a response that says that there is none.

    :raises requests.HTTPError: if the status is 400 or more
    """
    if not isinstance(response, Response):
        # The stand-in of a test says by itself whether it is an error.
        response.raise_for_status()
        return
    if response.status_code >= 400:
        text = f"GET {locate(response.url)} was answered with {response.status_code} {response.reason}"
        raise HTTPError(text, response=response, request=response.request)


def read_json(response: Any) -> Any:
    """
    Return the JSON of a response.

    :raises ResourceError: if it holds none
    """
    try:
        return response.json()
    except (RequestException, ValueError, RecursionError) as error:
        raise ResourceError(
            f"GET {locate(response.url)} gave {response.status_code} without JSON "
            f"({response.headers.get('Content-Type')}): check that the URI leads to a resource"
        ) from error


def _unchanged(request: Any) -> Any:
    return request


def _is_timeout(error: Exception) -> bool:
    # While the content is read, requests says ConnectionError of a timeout too.
    inner = error.args[0] if error.args else None
    return isinstance(error, (TimeoutError, Timeout)) or isinstance(inner, ReadTimeoutError)


@defaults(
    allowed_hosts=typed(names(f"{BINDING}.allowed_hosts"), default_value=""),
    connect_timeout_seconds=typed(number(f"{BINDING}.connect_timeout_seconds", 0.001), default_value=5),
    read_timeout_seconds=typed(number(f"{BINDING}.read_timeout_seconds", 0.001), default_value=30),
    total_timeout_seconds=typed(number(f"{BINDING}.total_timeout_seconds", 0.001), default_value=60),
    max_redirects=typed(integer(f"{BINDING}.max_redirects", 0), default_value=5),
    max_response_bytes=typed(integer(f"{BINDING}.max_response_bytes", 1), default_value=10 * 1024 * 1024),
    pool_size=typed(integer(f"{BINDING}.pool_size", 1), default_value=10),
)
def configure_pubsub_uri_session(graph: PubSubGraph) -> ResourceSession:
    """Make the session that the URI handlers of a graph share."""
    config = graph.config.pubsub_uri_session
    return ResourceSession(
        allowed_hosts=config.allowed_hosts,
        connect_timeout_seconds=config.connect_timeout_seconds,
        read_timeout_seconds=config.read_timeout_seconds,
        total_timeout_seconds=config.total_timeout_seconds,
        max_redirects=config.max_redirects,
        max_response_bytes=config.max_response_bytes,
        pool_size=config.pool_size,
    )
