"""
A request and an answer, free of ASGI.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Request:
    """
    An HTTP request.

    :param raw_path: as it was sent, escapes and all
    :param headers: by lower-case name; the last one of a name counts
    """

    method: str
    raw_path: bytes
    query: bytes
    headers: Mapping[bytes, bytes]
    body: bytes
    scheme: str = "http"
    server: str = "localhost"


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer."""

    status: int
    body: bytes
    content_type: bytes
    headers: tuple[tuple[bytes, bytes], ...] = field(default=())


class RequestError(Exception):
    """
    Refuse a request before it reaches the broker.

    :param code: AWS's code
    :param status: of HTTP
    """

    def __init__(self, code: str, text: str, status: int = 400) -> None:
        super().__init__(text)
        self.code = code
        self.text = text
        self.status = status
