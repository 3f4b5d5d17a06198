"""
Ids of messages, requests and tasks.
"""

from __future__ import annotations

from os import urandom


def new_id() -> str:
    """
    Return a random UUID of version 4, as text.

    Its variant is always "a", which leaves 120 bits to chance. To make it of a `uuid.UUID` takes five times as long.

    https://www.rfc-editor.org/rfc/rfc9562#name-uuid-version-4
    """
    digits = urandom(16).hex()
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"
