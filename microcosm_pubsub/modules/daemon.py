"""
The daemon of a handler module, whose one handler is the module's `process`, in a transaction.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType
from typing import Any

from microcosm_pubsub.daemon import ConsumerDaemon
from microcosm_pubsub.daemon.process import rebuild
from microcosm_pubsub.envelope import SQSEnvelope
from microcosm_pubsub.envelope.transforms import decode_body
from microcosm_pubsub.errors import ConfigurationError, DecodeError
from microcosm_pubsub.message.raw import RawMessage
from microcosm_pubsub.middleware.handler_call import find_undone
from microcosm_pubsub.modules.config import Config, Queue
from microcosm_pubsub.modules.handler import load_module
from microcosm_pubsub.registry import HandlerOptions


#: Bytes of which nobody but the handler knows more: https://datatracker.ietf.org/doc/html/rfc2046#section-4.5.1
RECORD = "application/octet-stream"


class RecordEnvelope(SQSEnvelope):
    """Take the body for the content, as bytes, without reading it."""

    names_media_types = False

    def parse_body(self, raw_message: RawMessage) -> bytes:
        """
        Return the body.

        :raises DecodeError: if there is none
        """
        body = raw_message.get("Body")
        if self.transforms:
            body = decode_body(self.transforms, body, raw_message.get("MessageAttributes"))
        if not isinstance(body, str):
            raise DecodeError("The body is missing")
        return body.encode()

    def parse_message(self, body: bytes) -> bytes:
        """Return the body."""
        return body

    def parse_media_type_and_content(self, message: bytes) -> tuple[str, bytes]:
        """Return that of all records, and the body."""
        return RECORD, message


def make_daemon(config: Config, queue: Queue, module: ModuleType) -> type[ConsumerDaemon]:
    """
    Return the daemon of a handler module.

    :raises ConfigurationError: if the file names no database
    """
    if config.database_url is None:
        raise ConfigurationError(
            f"{config.path} names no database, which handler {queue.handler!r} writes to: add [database] with "
            'url = "..."'
        )

    def handle(record: bytes, dbsession: Any) -> None:
        undone = find_undone(module.process(dbsession, record))
        if undone is not None:
            raise undone

    # Log lines and dead letters name it by these.
    handle.__module__, handle.__qualname__ = module.__name__, "process"

    class QueueDaemon(ConsumerDaemon):
        name = queue.name
        workers = queue.workers
        defaults = {
            "pubsub_database": {"url": config.database_url, "auto_upgrade": True},
            "sqs_consumer": {"sqs_queue_url": queue.url} if queue.url else {},
            "sqs_envelope": {"strategy_name": RecordEnvelope.__name__},
        }

        def create_object_graph_components(self, graph: Any) -> None:
            """Use the components, and bind the handler."""
            graph.sqs_message_handler_registry.register(RECORD, handle, HandlerOptions(transaction=True))
            super().create_object_graph_components(graph)

        def __reduce__(self) -> tuple[Any, ...]:
            return rebuild, (load_and_make, config, queue), vars(self)

    QueueDaemon.__qualname__ = f"daemon of {queue.name}"
    return QueueDaemon


def load_and_make(config: Config, queue: Queue) -> type[ConsumerDaemon]:
    """Return the daemon of a queue, whose handler module is imported first."""
    return make_daemon(config, queue, load_module(queue))


def make_queue_daemon(
    daemon_cls: type[ConsumerDaemon], workers: int | None, more: Mapping[str, Any]
) -> type[ConsumerDaemon]:
    """
    Return a daemon as the file wants it.

    :param workers: how many messages it handles at a time, if the file says
    :param more: configuration, which its own `defaults` add to
    """

    class ConfiguredDaemon(daemon_cls):  # type: ignore[valid-type, misc]
        @property
        def defaults(self) -> Any:
            """Return the configuration by default."""
            own = super().defaults
            return {**own, **{section: {**own.get(section, {}), **values} for section, values in more.items()}}

        def __reduce__(self) -> tuple[Any, ...]:
            return rebuild, (make_queue_daemon, daemon_cls, workers, more), vars(self)

    if workers is not None:
        ConfiguredDaemon.workers = workers
    ConfiguredDaemon.__qualname__ = daemon_cls.__qualname__
    return ConfiguredDaemon
