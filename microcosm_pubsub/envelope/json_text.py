"""
JSON texts of bodies: errors that say where they stop to be JSON, and never what they hold.
"""

from __future__ import annotations

from json import JSONDecoder, loads
from typing import Any

from microcosm_pubsub.errors import DecodeError, article


DECODER = JSONDecoder()


def load_json(text: Any, what: str) -> Any:
    """
    Return the value of a JSON text.

    :raises DecodeError: if it is no JSON text
    """
    if not isinstance(text, (str, bytes)):
        raise DecodeError(f"The {what} is missing; another envelope may be able to read this message")
    try:
        if isinstance(text, str) and text.startswith("{"):
            # `raw_decode` skips the two searches for white space of `loads`, which cost as much as the parse
            value, end = DECODER.raw_decode(text)
            if end == len(text):
                return value
        return loads(text)
    except (ValueError, RecursionError) as error:
        at = f" at character {error.pos}" if hasattr(error, "pos") else ""
        raise DecodeError(f"The {what} is not JSON{at}, of {len(text)} characters") from None


def load_object(text: Any, what: str) -> dict[str, Any]:
    """
    Return the object that a JSON text says.

    :raises DecodeError: if it is no JSON object
    """
    loaded = load_json(text, what)
    if not isinstance(loaded, dict):
        raise DecodeError(f"The {what} is JSON, but {article(loaded)} where an object must be")
    return loaded
