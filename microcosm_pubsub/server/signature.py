"""
Verify that a request was signed with the server's key, by Signature Version 4.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256
from hmac import compare_digest
from hmac import digest as hmac_digest
from re import compile as compile_pattern
from time import time
from urllib.parse import parse_qsl, quote

from microcosm_pubsub.server.http import Request, RequestError
from microcosm_pubsub.server.scope import Scope, find_scope


#: A request is good for this many seconds before and after the time that it was signed at.
MAX_SKEW_SECONDS = 15 * 60

HEADER = compile_pattern(rb"SignedHeaders=([^, ]+), *Signature=([0-9a-f]{64})")

UNRESERVED = "-_.~"


class Verifier:
    """
    Verify the signatures of requests.

    :param access_key: that they must be signed with
    :param secret_key: that belongs to it
    :param clock: tells the time of day, in seconds since the epoch
    """

    def __init__(self, access_key: str, secret_key: str, clock: Callable[[], float] = time) -> None:
        self.access_key = access_key
        self.secret_key = secret_key
        self.clock = clock

    def verify(self, request: Request) -> None:
        """
        Refuse a request that was not signed, or not with the key.

        :raises RequestError: if so
        """
        authorization = request.headers.get(b"authorization")
        scope = find_scope(authorization, request.query)
        if scope is None:
            raise RequestError("MissingAuthenticationToken", "Request is missing Authentication Token", status=403)
        if not compare_digest(scope.access_key.encode(), self.access_key.encode()):
            raise RequestError(
                "InvalidClientTokenId", "The security token included in the request is invalid.", status=403
            )
        if authorization is None:
            self._verify_query(request, scope)
            return
        match = HEADER.search(authorization)
        if match is None:
            raise RequestError("IncompleteSignature", "Authorization must name SignedHeaders and a Signature.", 400)
        signed = match[1].decode("latin-1").lower().split(";")
        stamp = request.headers.get(b"x-amz-date", b"").decode("latin-1")
        canonical = canonical_request(request, signed, canonical_query(request.query), sha256(request.body).hexdigest())
        self._compare(canonical, stamp, scope, match[2], MAX_SKEW_SECONDS)

    def _verify_query(self, request: Request, scope: Scope) -> None:
        """Verify a request that was signed in advance: the signature stands in its query."""
        pairs = parse_qsl(request.query.decode("latin-1"), keep_blank_values=True)
        given = dict(pairs)
        signed = given.get("X-Amz-SignedHeaders", "host").lower().split(";")
        query = canonical_query(request.query, without="X-Amz-Signature")
        expires = given.get("X-Amz-Expires", "")
        seconds = int(expires) if expires.isdecimal() and len(expires) < 7 else MAX_SKEW_SECONDS
        canonical = canonical_request(request, signed, query, sha256(request.body).hexdigest())
        self._compare(canonical, given.get("X-Amz-Date", ""), scope, given.get("X-Amz-Signature", "").encode(), seconds)

    def _compare(self, canonical: str, stamp: str, scope: Scope, signature: bytes, seconds: float) -> None:
        self._check_time(stamp, scope, seconds)
        credential = f"{scope.date}/{scope.region}/{scope.service}/aws4_request"
        text = f"AWS4-HMAC-SHA256\n{stamp}\n{credential}\n{sha256(canonical.encode()).hexdigest()}"
        key = signing_key(self.secret_key, scope.date, scope.region, scope.service)
        expected = hmac_digest(key, text.encode(), "sha256").hex().encode()
        if not compare_digest(expected, signature):
            raise RequestError(
                "SignatureDoesNotMatch",
                "The request signature we calculated does not match the signature you provided. Check your AWS Secret "
                "Access Key and signing method. Consult the service documentation for details.",
                status=403,
            )

    def _check_time(self, stamp: str, scope: Scope, seconds: float) -> None:
        try:
            signed_at = datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
        except ValueError:
            raise RequestError("IncompleteSignature", "X-Amz-Date must be like 20300101T000000Z.") from None
        age = self.clock() - signed_at
        if not stamp.startswith(scope.date) or not -MAX_SKEW_SECONDS <= age <= seconds:
            raise RequestError("SignatureDoesNotMatch", f"Signature expired or not yet current: {stamp}", status=403)


def canonical_request(request: Request, signed: list[str], query: str, payload: str) -> str:
    """Return the text of a request that is signed."""
    path = quote(request.raw_path.decode("latin-1") or "/", safe=f"/{UNRESERVED}")
    headers = "".join(
        f"{name}:{' '.join(request.headers.get(name.encode('latin-1', 'replace'), b'').decode('latin-1').split())}\n"
        for name in signed
    )
    return f"{request.method}\n{path}\n{query}\n{headers}\n{';'.join(signed)}\n{payload}"


def canonical_query(query: bytes, without: str | None = None) -> str:
    """Return a query in the order and with the escapes that are signed."""
    if not query:
        return ""
    pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True, encoding="utf-8", errors="surrogateescape")
    escaped = sorted(
        (quote(name, UNRESERVED, errors="surrogateescape"), quote(value, UNRESERVED, errors="surrogateescape"))
        for name, value in pairs
        if name != without
    )
    return "&".join(f"{name}={value}" for name, value in escaped)


@lru_cache(maxsize=64)
def signing_key(secret_key: str, date: str, region: str, service: str) -> bytes:
    """Return the key of a day, a region and a service."""
    key = f"AWS4{secret_key}".encode()
    for part in (date, region, service, "aws4_request"):
        key = hmac_digest(key, part.encode(), "sha256")
    return key
