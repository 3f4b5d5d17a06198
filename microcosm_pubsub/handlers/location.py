"""
The place that a URI leads to.

A URI is shown without the parts that it may hold in confidence: credentials and query.
"""

from urllib.parse import urljoin, urlsplit, urlunsplit

from microcosm_pubsub.errors import ConfigurationError


DEFAULT_PORTS = {"http": 80, "https": 443}


def locate(uri: str) -> str:
    """Return a URI without credentials, query and fragment."""
    try:
        parts = urlsplit(uri)
    except ValueError:
        return "a malformed URI"
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def origin_of(uri: str) -> tuple[str, str, int | None]:
    """
    Return scheme, host and port of a URI.

    :raises ValueError: if it is malformed
    """
    parts = urlsplit(uri)
    port = parts.port if parts.port is not None else DEFAULT_PORTS.get(parts.scheme)
    return parts.scheme, parts.hostname or "", port


def follow(uri: str, location: str) -> str:
    """
    Return where a redirect leads.

    :param location: the `Location` header, as `http.client` decodes it
    :raises ValueError: if it is malformed
    """
    return urljoin(uri, location.encode("latin-1", "replace").decode("utf-8", "replace"))


def host_name(value: str, key: str) -> str:
    """
    Accept the name of a host, without scheme, port or path.

    :param key: the configuration key that holds it
    :raises ConfigurationError: if it is something else, which no URI could ever match
    """
    name = value.strip().lower()
    bare = name.removeprefix("[").removesuffix("]")
    if not bare or any(character in bare for character in "/@*[] ") or bare.count(":") == 1:
        raise ConfigurationError(f"Configuration {key} holds {value!r}, but takes names of hosts alone")
    return bare
