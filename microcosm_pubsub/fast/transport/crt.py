"""
Signatures by awscrt, AWS's own C runtime.

This is the only module that imports it.
https://awslabs.github.io/aws-crt-python/api/auth.html
"""

from __future__ import annotations

from datetime import UTC, datetime
from threading import Lock
from typing import Any

from awscrt.auth import (
    AwsCredentialsProvider,
    AwsSignatureType,
    AwsSigningAlgorithm,
    AwsSigningConfig,
    aws_sign_request,
)
from awscrt.http import HttpHeaders, HttpRequest

from microcosm_pubsub.config.fork import hold_still_while_forking, start_anew_in_child
from microcosm_pubsub.fast.transport.signature import SignedPart


# awscrt adds these headers by itself.
ADDED = ("x-amz-date", "x-amz-security-token")


class _Turn:
    """
    Let one thread at a time be inside of awscrt, and none while this process forks.

    A child would inherit the locks of its C code that another thread held, and wait for them for ever.
    """

    def __init__(self) -> None:
        self.renew()
        hold_still_while_forking(self, lambda turn: turn.lock)
        start_anew_in_child(self, _Turn.renew)

    def renew(self) -> None:
        """Have a lock of its own."""
        self.lock = Lock()


TURN = _Turn()


class CrtSigner:
    """Signs with awscrt."""

    def __init__(self, part: SignedPart, credentials: Any) -> None:
        # awscrt signs the path alone, and the host as a header.
        scheme, _, rest = part.url.partition("://")
        host, slash, path = rest.partition("/")
        headers = [(name, value) for name, value in part.headers if name.lower() not in ADDED]
        if not any(name.lower() == "host" for name, _ in headers):
            default = {"http": ":80", "https": ":443"}[scheme]
            headers.append(("host", host.rpartition("@")[2].removesuffix(default)))
        self._path, self._headers = slash + path or "/", headers
        self._part = part
        with TURN.lock:
            self._provider = AwsCredentialsProvider.new_static(
                credentials.access_key, credentials.secret_key, credentials.token
            )

    def authorize(self, timestamp: str, digest: str) -> str:
        date = datetime.strptime(timestamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        with TURN.lock:
            return self._sign(date, digest)

    def _sign(self, date: datetime, digest: str) -> str:
        request = HttpRequest("POST", self._path, HttpHeaders(self._headers))
        config = AwsSigningConfig(
            algorithm=AwsSigningAlgorithm.V4,
            signature_type=AwsSignatureType.HTTP_REQUEST_HEADERS,
            credentials_provider=self._provider,
            region=self._part.region,
            service=self._part.service,
            date=date,
            signed_body_value=digest,
        )
        aws_sign_request(request, config).result()
        return str(request.headers.get("Authorization"))
