"""
Signatures of requests that differ in nothing but date and body.

The text that is signed is the one that botocore makes, with the date and the body's digest of each request put in; the
signing key is derived by botocore, and kept for as long as it is valid: for a day.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest


DATE_HEADER = "X-Amz-Date"

#: Stands for the date in the text that is kept.
ANY_DATE = "00000000T000000Z"


@dataclass(frozen=True, slots=True)
class SignedPart:
    """The part that all requests of an operation have in common, as far as it is signed."""

    url: str
    #: The headers that are signed, except the date.
    headers: tuple[tuple[str, str], ...]
    service: str
    region: str


class Signer(Protocol):
    """Signs requests of one operation with one set of credentials."""

    def __init__(self, part: SignedPart, credentials: Any) -> None: ...

    def authorize(self, timestamp: str, digest: str) -> str:
        """
        Return the header `Authorization`.

        :param timestamp: the value of the header `X-Amz-Date`
        :param digest: SHA-256 of the body, in hexadecimal digits
        """
        ...


class SigningKey(SigV4Auth):  # type: ignore[misc]
    """botocore's signature, which tells the key that it derives."""

    def derive(self, timestamp: str) -> bytes:
        """Return the signing key of a timestamp's day."""
        self.signature("", DatedRequest(timestamp))
        return self._last_key

    def _sign(self, key: bytes, msg: str, hex: bool = False) -> Any:
        self._last_key = key
        return super()._sign(key, msg, hex)


class DatedRequest:
    """A request as botocore's signer reads it, once its canonical form is known."""

    __slots__ = ("context",)

    def __init__(self, timestamp: str):
        self.context = {"timestamp": timestamp}


class DerivedKeySigner:
    """Signs with botocore, deriving the key once a day."""

    def __init__(self, part: SignedPart, credentials: Any) -> None:
        self._auth = SigV4Auth(credentials, part.service, part.region)
        self._signing_key = SigningKey(credentials, part.service, part.region)
        self._key = ("", b"")
        headers = {**dict(part.headers), DATE_HEADER: ANY_DATE}
        request = AWSRequest(method="POST", url=part.url, headers=headers, data=b"")
        canonical = self._auth.canonical_request(request)
        # The last line is the digest of the body.
        self._before, self._after = canonical.rpartition("\n")[0].split(ANY_DATE)
        names = self._auth.signed_headers(self._auth.headers_to_sign(request))
        self._start = f"AWS4-HMAC-SHA256 Credential={credentials.access_key}/"
        self._end = f", SignedHeaders={names}, Signature="

    def authorize(self, timestamp: str, digest: str) -> str:
        day, key = self._key
        if day != timestamp[:8]:
            day, key = self._key = (timestamp[:8], self._signing_key.derive(timestamp))
        dated = DatedRequest(timestamp)
        text = self._auth.string_to_sign(dated, f"{self._before}{timestamp}{self._after}\n{digest}")
        signature = self._auth._sign(key, text, hex=True)
        return f"{self._start}{self._auth.credential_scope(dated)}{self._end}{signature}"
