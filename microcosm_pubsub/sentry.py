"""
Reports of failures to Sentry.

Owns what is reported (FAILED and EXPIRED results), under which tags, and what leaves the process
with a report: of the local variables of a failed handler, nothing but ids, URLs and bare reprs.
`sentry_sdk` is an optional dependency, imported in this file alone and only once it is enabled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from logging import getLogger
from re import compile as pattern
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from microcosm.api import typed

from microcosm_pubsub.config.graph import defaults, find_component
from microcosm_pubsub.config.values import boolean
from microcosm_pubsub.constants import REQUEST_ID_KEY
from microcosm_pubsub.errors import ConfigurationError
from microcosm_pubsub.graph import PubSubGraph
from microcosm_pubsub.result import MessageHandlingResult, MessageHandlingResultType


logger = getLogger(__name__)

BeforeSend = Callable[[dict[str, Any], dict[str, Any]], dict[str, Any] | None]

#: The outcomes that are reported.
REPORTED = frozenset({MessageHandlingResultType.FAILED, MessageHandlingResultType.EXPIRED})

#: The key of the opaque data that holds the value of each tag, unless configured otherwise.
DEFAULT_TAG_MAPPING = {REQUEST_ID_KEY: REQUEST_ID_KEY}

#: The key of the opaque data that holds the id of the user, unless configured otherwise.
DEFAULT_USER_ID_KEY = "x-request-user"

#: The longest value of a tag.
#: https://docs.sentry.io/platforms/python/enriching-events/tags/
MAX_TAG_LENGTH = 200

#: Stands in for a value that does not leave the process.
REDACTED = "<redacted>"

ID_NAME = pattern(r"(^|[-_])(id|Id|ID)$|[a-z0-9](Id|ID)$")
URL_TEXT = pattern(r"(['\"]?)(https?://[^\s'\"]+)\1")
REPR_TEXT = pattern(r"<[^\n]*>")


def default_before_send(event: dict[str, Any], hint: dict[str, Any]) -> dict[str, Any]:
    """
    Redact every frame variable of an event that is not an id, a URL or a repr.

    A URL keeps neither credentials nor query.

    :param event: is changed in place
    :param hint: is not used
    :returns: the event
    """
    for stacktrace in iter_stacktraces(event):
        for frame in stacktrace.get("frames") or ():
            if frame.get("vars"):
                frame["vars"] = redact("", frame["vars"])
    return event


def iter_stacktraces(event: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Iterate over all stack traces of an event."""
    holders = [event]
    for key in ("exception", "threads"):
        holders.extend((event.get(key) or {}).get("values") or ())
    for holder in holders:
        if holder.get("stacktrace"):
            yield holder["stacktrace"]


def redact(name: str, value: Any) -> Any:
    """
    Return the part of a variable that may leave the process.

    :param name: the name under which the value was found
    :param value: as Sentry serialized it: text (a repr), or nested mappings and lists of it
    """
    if isinstance(value, Mapping):
        return {key: redact(str(key), nested) for key, nested in value.items()}
    if isinstance(value, (list, tuple)):
        return [redact("", nested) for nested in value]
    text = str(value)
    if ID_NAME.search(name) or REPR_TEXT.fullmatch(text):
        return value
    if url := URL_TEXT.fullmatch(text):
        return f"{url[1]}{bare_url(url[2])}{url[1]}"
    return REDACTED


def bare_url(url: str) -> str:
    """Return a URL without credentials, query and fragment."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return REDACTED
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[-1], parts.path, "", ""))


@dataclass
class SentryConfigPubsub:
    """
    Report results to Sentry.

    :param enabled: whether anything is reported
    :param dsn: where to
    :param custom_tags_mapping: tag name to the key of the opaque data that holds its value
    :param custom_user_id: the key of the opaque data that holds the id of the user
    :param before_send: the function by which Sentry judges each event
    :param client: Sentry's client, if it is enabled
    """

    enabled: bool = False
    dsn: str | None = field(default=None, repr=False)
    custom_tags_mapping: Mapping[str, str] = field(default_factory=dict)
    custom_user_id: str | None = None
    before_send: BeforeSend | None = None
    client: Any = field(default=None, repr=False)

    def report(self, result: MessageHandlingResult, opaque: Mapping[str, Any] | None = None) -> None:
        """
        Report a result that is FAILED or EXPIRED.

        :param result: the result of handling the message
        :param opaque: the opaque data of the message
        """
        if not self.enabled or result.result not in REPORTED:
            return
        sentry_sdk = import_sentry_sdk()
        values = {str(key).lower(): value for key, value in (opaque or {}).items()}
        with sentry_sdk.new_scope() as scope:
            for tag, value in self._tags(result, values).items():
                scope.set_tag(tag, str(value)[:MAX_TAG_LENGTH])
            user_id = values.get((self.custom_user_id or DEFAULT_USER_ID_KEY).lower())
            if user_id is not None:
                scope.set_user({"id": str(user_id)})
            for key, value in result.extra.items():
                scope.set_extra(key, value)
            if result.exc_info is not None:
                sentry_sdk.capture_exception(result.exc_info)
            else:
                level = "error" if result.retry else "warning"
                sentry_sdk.capture_message(f"{result.result.name}: {result.media_type}", level=level)

    def _tags(self, result: MessageHandlingResult, values: Mapping[str, Any]) -> dict[str, Any]:
        mapping = {**DEFAULT_TAG_MAPPING, **self.custom_tags_mapping}
        found = {tag: values[key.lower()] for tag, key in mapping.items() if key.lower() in values}
        return {"media_type": result.media_type, "result": result.result.name, **found}


@defaults(
    enabled=typed(boolean("sentry_logging_pubsub.enabled"), default_value=False),
    dsn=None,
    custom_tags_mapping={},
    custom_user_id=None,
)
def configure_sentry_pubsub(graph: PubSubGraph) -> SentryConfigPubsub:
    """
    Initialise Sentry if it is enabled; never in a graph under test.

    :raises ConfigurationError: if it is enabled but cannot be imported, or its tags are no mapping
    """
    config = graph.config.sentry_logging_pubsub
    if not isinstance(config.custom_tags_mapping, Mapping):
        raise ConfigurationError(
            "Configuration sentry_logging_pubsub.custom_tags_mapping must map tag names to keys of the "
            f"opaque data, but is {type(config.custom_tags_mapping).__name__}"
        )
    before_send = find_before_send(graph)
    is_wanted = config.enabled and not graph.metadata.testing
    client = initialize_sentry(config.dsn, before_send) if is_wanted else None
    return SentryConfigPubsub(
        enabled=client is not None,
        dsn=config.dsn,
        custom_tags_mapping={str(tag): str(key) for tag, key in config.custom_tags_mapping.items()},
        custom_user_id=config.custom_user_id,
        before_send=before_send,
        client=client,
    )


def find_before_send(graph: PubSubGraph) -> BeforeSend:
    """Return the `before_send` that the graph binds, or the default one."""
    bound: BeforeSend | None = find_component(graph, "sentry_before_send")
    return default_before_send if bound is None else bound


def initialize_sentry(dsn: str | None, before_send: BeforeSend) -> Any | None:
    """
    Initialise Sentry, and return its client, or None if it could not be.

    A log line never is an event of its own: the line of a failed message would otherwise be reported
    in place of its result, without the tags.

    :raises ConfigurationError: if `sentry_sdk` is not installed
    """
    sentry_sdk = import_sentry_sdk()
    from sentry_sdk.integrations.logging import LoggingIntegration
    from sentry_sdk.utils import Dsn

    try:
        Dsn(dsn or "")
    except ValueError as error:  # BadDsn, and what is wrong with a port
        logger.error("Sentry is disabled: sentry_logging_pubsub.dsn is not a DSN: %s", error)
        return None
    sentry_sdk.init(dsn=dsn, before_send=before_send, integrations=[LoggingIntegration(event_level=None)])
    return sentry_sdk.get_client()


def import_sentry_sdk() -> Any:
    """
    Import `sentry_sdk`.

    :raises ConfigurationError: if it is missing, or older than version 2
    """
    try:
        import sentry_sdk
    except ImportError as error:
        raise ConfigurationError(MISSING) from error
    if not hasattr(sentry_sdk, "new_scope"):
        raise ConfigurationError(MISSING)
    return sentry_sdk


MISSING = (
    "Configuration sentry_logging_pubsub.enabled is true, which needs sentry-sdk 2 or later; install "
    "microcosm_pubsub[sentry], or set it to false"
)
