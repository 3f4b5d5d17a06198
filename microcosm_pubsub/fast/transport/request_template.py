"""
Requests as botocore makes them, learned from one that it made.

The headers, the URL and what is signed are taken from a request that botocore was about to send, so that endpoints,
the user agent and all that is configured are its own; date, digest, signature and invocation id are put in anew. What
is learned must give botocore's own signature of that request, byte for byte; otherwise nothing is.
"""

from __future__ import annotations

from hashlib import sha256
from json import loads
from os import environ
from re import compile as compile_pattern
from time import gmtime, strftime, time
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from botocore.handlers import add_recursion_detection_header

from microcosm_pubsub.fast.trace_header import NAME, TRACE_HEADER
from microcosm_pubsub.fast.transport.errors import FallBack
from microcosm_pubsub.fast.transport.model import Model
from microcosm_pubsub.fast.transport.parts import TransportParts
from microcosm_pubsub.fast.transport.route import Way
from microcosm_pubsub.fast.transport.signature import SignedPart, Signer


AUTHORIZATION = compile_pattern(
    r"AWS4-HMAC-SHA256 Credential=[^/]+/\d{8}/([^/]+)/([^/]+)/aws4_request, "
    r"SignedHeaders=([^,]+), Signature=[0-9a-f]{64}"
)

#: The headers that differ from request to request.
VARYING = frozenset(
    {
        "authorization",
        "amz-sdk-invocation-id",
        "content-length",
        "x-amz-date",
        "x-amz-security-token",
        "x-amzn-trace-id",
    }
)

#: Headers that tracers add to one request, and AWS does not read.
#: https://www.w3.org/TR/trace-context/
#: https://www.w3.org/TR/baggage/
#: https://github.com/openzipkin/b3-propagation
TRACING = frozenset(
    {
        "b3",
        "baggage",
        "sentry-trace",
        "traceparent",
        "tracestate",
        "uber-trace-id",
        "x-b3-flags",
        "x-b3-parentspanid",
        "x-b3-sampled",
        "x-b3-spanid",
        "x-b3-traceid",
    }
)

#: The only one of them that is signed and stays as long as the credentials do.
TOKEN = "X-Amz-Security-Token"


class RequestTemplate:
    """Makes requests of one operation as botocore would."""

    def __init__(self, request: Any, parameters: Any, model: Model, credentials: Any, parts: TransportParts, way: Way):
        """
        Learn from a request.

        :param request: a prepared request of botocore, signed and ready to send
        :param parameters: the parameters of its call
        :param credentials: frozen ones
        :param way: the way that it takes
        :raises FallBack: if what is learned would not do the same
        """
        headers = {name: text_of(value) for name, value in request.headers.items()}
        lower = {name.lower(): value for name, value in headers.items()}
        match = AUTHORIZATION.fullmatch(lower.get("authorization", ""))
        # Requests of older versions have no context.
        context = getattr(request, "context", None) or {}
        if match is None or request.method != "POST" or request.stream_output or context.get("read_timeout"):
            raise FallBack("its requests are not understood")
        region, service, signed = match[1], match[2], match[3].split(";")
        self.url, self._signer_type = str(request.url), parts.signer
        self._credentials: tuple[Any, Signer, str] | None = None
        kept = tuple((name, value) for name, value in headers.items() if is_kept(name, signed))
        self._part = SignedPart(self.url, kept, service, region)
        self._verify(lower, request.body, model.dump(parameters), credentials)
        if not TRACING.isdisjoint(lower):
            # The learned signature is verified with the tracers' headers, and later requests are signed without them.
            headers = {name: value for name, value in headers.items() if name.lower() not in TRACING}
            kept = tuple((name, value) for name, value in kept if name.lower() not in TRACING)
            self._part, self._credentials = SignedPart(self.url, kept, service, region), None
        self._head = self._make_head({**headers, **way.headers}, way.target)

    def _make_head(self, headers: dict[str, str], target: str) -> str:
        url = urlsplit(self.url)
        lines = [f"POST {target} HTTP/1.1"]
        given = {name.lower() for name in headers}
        if "host" not in given:
            lines.append(f"Host: {url.netloc.rpartition('@')[2]}")
        if "accept-encoding" not in given:
            # http.client adds this header too.
            lines.append("Accept-Encoding: identity")
        lines += [f"{name}: {value}" for name, value in headers.items() if name.lower() not in VARYING]
        if not all(line.isascii() and line.isprintable() for line in lines):
            raise FallBack("its headers are not understood")
        return "\r\n".join(lines) + "\r\n"

    def _verify(self, headers: dict[str, str], sent: Any, body: bytes, credentials: Any) -> None:
        sent = sent.encode() if isinstance(sent, str) else bytes(sent)
        same = loads(sent) == loads(body) if sent.startswith(b"{") else sent == body
        if not same:
            raise FallBack("its bodies are not understood")
        signer, _ = self._find_signer(credentials)
        if signer.authorize(headers["x-amz-date"], sha256(sent).hexdigest()) != headers["authorization"]:
            raise FallBack("its signatures are not understood")

    def _find_signer(self, credentials: Any) -> tuple[Signer, str]:
        """Return the signer with these credentials, and their header if they have one."""
        found = self._credentials
        if found is None or found[0] != credentials:
            token: str = credentials.token or ""
            if not token.isascii() or not token.isprintable():
                raise FallBack("the session token is none")
            headers = ((TOKEN, token),) if token else ()
            part = SignedPart(self._part.url, (*self._part.headers, *headers), self._part.service, self._part.region)
            line = f"{TOKEN}: {token}\r\n" if token else ""
            found = self._credentials = (credentials, self._signer_type(part, credentials), line)
        return found[1], found[2]

    def make_request(self, body: bytes, credentials: Any) -> tuple[bytes, str]:
        """
        Make a request, signed now.

        :param credentials: frozen ones
        :returns: the request as it is sent, and its invocation id
        """
        signer, token_line = self._find_signer(credentials)
        timestamp = strftime("%Y%m%dT%H%M%SZ", gmtime(time()))
        authorization = signer.authorize(timestamp, sha256(body).hexdigest())
        invocation_id = str(uuid4())
        head = (
            f"{self._head}{token_line}X-Amz-Date: {timestamp}\r\nAuthorization: {authorization}\r\n"
            f"amz-sdk-invocation-id: {invocation_id}\r\n{trace_line()}Content-Length: {len(body)}\r\n\r\n"
        )
        return head.encode("ascii") + body, invocation_id


def trace_line() -> str:
    """Return X-Ray's header, by which AWS Lambda also finds functions that call each other for ever."""
    header = TRACE_HEADER.get()
    if header is None and "AWS_LAMBDA_FUNCTION_NAME" not in environ:
        return ""
    headers: dict[str, str] = {} if header is None else {NAME: header}
    add_recursion_detection_header({"headers": headers})
    return "".join(f"{name}: {value}\r\n" for name, value in headers.items())


def text_of(value: Any) -> str:
    return value.decode("utf-8") if isinstance(value, bytes) else str(value)


def is_kept(name: str, signed: list[str]) -> bool:
    return name.lower() in signed and name.lower() not in VARYING
