"""
The scope of Signature Version 4: for whom and for what a request is signed.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

from __future__ import annotations

from re import compile as compile_pattern
from typing import NamedTuple
from urllib.parse import unquote_to_bytes


class Scope(NamedTuple):
    """The scope of a signature."""

    access_key: str
    date: str
    region: str
    service: str


SCOPE = compile_pattern(rb"Credential=([^/, ]{1,128})/([0-9]{8})/([a-z0-9-]{1,40})/([a-z0-9-]{1,40})/aws4_request")


def find_scope(authorization: bytes | None, query: bytes) -> Scope | None:
    """Return the scope that a request's header, or its query if it was signed in advance, names; None if neither."""
    text = authorization
    if text is None:
        if b"X-Amz-Credential" not in query:
            return None
        text = unquote_to_bytes(query).replace(b"X-Amz-Credential", b"Credential")
    match = SCOPE.search(text)
    return None if match is None else Scope(*(part.decode("latin-1") for part in match.groups()))
