"""
The digest that a queue gives of each body.
"""

from __future__ import annotations

from hashlib import md5

from microcosm_pubsub.errors import DecodeError
from microcosm_pubsub.message.raw import RawMessage


def check_md5(raw_message: RawMessage) -> None:
    """
    Compare a body with the digest that the queue gave for it.

    :raises DecodeError: if they differ, or either is missing
    """
    body, expected = raw_message.get("Body"), raw_message.get("MD5OfBody")
    if not isinstance(body, str) or not isinstance(expected, str):
        raise DecodeError("validate_md5 is set, but the message has no MD5OfBody to compare its body with")
    actual = md5(body.encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest()
    if actual != expected:
        raise DecodeError(f"The body's MD5 is {actual}, but the queue says {expected}: it changed on the way")
