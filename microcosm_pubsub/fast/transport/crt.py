"""
Signatures by awscrt, AWS's own C runtime.

This is the only module that imports it.
https://awslabs.github.io/aws-crt-python/api/auth.html
"""

from __future__ import annotations

import os
from datetime import datetime
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

from microcosm_pubsub.fast.transport.signature import SignedPart


# awscrt adds these headers by itself.
ADDED = ("x-amz-date", "x-amz-security-token")


#: One thread at a time is inside of awscrt, and none while this process forks: a child would inherit the locks of its C
#: code that another thread held, and wait for them for ever.
TURN = Lock()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=TURN.acquire, after_in_parent=TURN.release, after_in_child=TURN.release)


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
        with TURN:
            self._provider = AwsCredentialsProvider.new_static(
                credentials.access_key, credentials.secret_key, credentials.token
            )

    def authorize(self, timestamp: str, digest: str) -> str:
        # strptime has a lock that a child of a fork may inherit held; this has none.
        date = datetime.fromisoformat(timestamp)
        with TURN:
            return self._authorize(date, digest)

    def _authorize(self, date: datetime, digest: str) -> str:
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
