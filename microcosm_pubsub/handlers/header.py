"""
The opaque data that can travel as HTTP headers.

Opaque data comes from the publisher of the message, who may be anybody. As a header, a part of it could break a
request, or make it mean something else; such a part is left out.
"""

from collections.abc import Mapping
from re import compile as compile_pattern
from typing import Any, Final


#: The names that HTTP allows: https://www.rfc-editor.org/rfc/rfc9110#name-tokens
TOKEN: Final = compile_pattern(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")

#: Headers that say where a request goes and where it ends, which no message may decide.
#: https://www.rfc-editor.org/rfc/rfc9110#name-connection
RESERVED: Final = frozenset(
    {
        "connection",
        "content-encoding",
        "content-length",
        "expect",
        "host",
        "keep-alive",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)


def clean_headers(values: Mapping[str, Any]) -> dict[str, str | bytes]:
    """
    Return the part of some values that is fit to be sent as headers.

    :returns: text, or bytes of UTF-8 where a header's own encoding (Latin-1) falls short
    """
    headers: dict[str, str | bytes] = {}
    for name, value in values.items():
        text = "" if value is None else str(value).strip()
        if value is None or not TOKEN.fullmatch(str(name)) or str(name).lower() in RESERVED:
            continue
        if any(ord(character) < 32 and character != "\t" for character in text):
            continue
        headers[str(name)] = text if text.isascii() else text.encode("utf-8", "replace")
    return headers
