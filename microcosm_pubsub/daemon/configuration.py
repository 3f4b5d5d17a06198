"""
The configuration that a daemon's attributes stand for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any, Protocol

from microcosm_pubsub.errors import ConfigurationError
from microcosm_pubsub.reader import is_event
from microcosm_pubsub.retry import RetryPolicy
from microcosm_pubsub.worker.settings import WorkerSettings


class Attributes(Protocol):
    """The attributes of a daemon class that stand for configuration."""

    workers: int | None
    settings: WorkerSettings | None
    transaction: bool | None
    retry: RetryPolicy | None
    unhandled: str | None
    ignore: list[str] | None
    middleware: Sequence[Any]
    unit_middleware: Sequence[Any]
    observers: Sequence[Any]
    publish_steps: Sequence[Any]
    publish_layers: Sequence[Any]
    body_transforms: Sequence[Any]
    services: Sequence[Any]
    task_queues: Sequence[str] | None
    task_hooks: Any
    components: list[str]
    ledger: bool | None


def attributes_to_config(daemon: Attributes) -> dict[str, Any]:
    """Return the configuration that the attributes of a daemon class stand for, as far as they are set."""
    config: dict[str, dict[str, Any]] = {
        "pubsub_retry_policies": {"default": daemon.retry},
        "pubsub_unhandled": {"action": daemon.unhandled, "ignore": daemon.ignore},
        "pubsub_worker": settings_to_config(daemon.settings, daemon.workers),
        "pubsub_transactions": {"always": daemon.transaction},
        "pubsub_middleware": {"names": list(daemon.middleware)},
        "pubsub_unit_middleware": {"names": list(daemon.unit_middleware)},
        "pubsub_observers": {"names": list(daemon.observers)},
        "pubsub_publish_steps": {"names": list(daemon.publish_steps)},
        "pubsub_publish_layers": {"names": list(daemon.publish_layers)},
        "pubsub_body_transforms": {"names": list(daemon.body_transforms)},
        "pubsub_services": {"names": list(daemon.services)},
        "pubsub_ledger": {"always": daemon.ledger},
        "pubsub_tasks": {
            # An empty list says something here: no queue.
            "queues": tuple(daemon.task_queues) if isinstance(daemon.task_queues, list) else daemon.task_queues,
            "hooks": daemon.task_hooks,
            "components": list(daemon.components),
        },
    }
    return {
        # An empty list is not set either, and must not hide what a loader says.
        binding: {key: value for key, value in values.items() if value is not None and value != []}
        for binding, values in config.items()
    }


def settings_to_config(settings: WorkerSettings | None, workers: int | None) -> dict[str, Any]:
    """
    Return the settings of a worker that differ from the defaults.

    :param workers: its concurrency, which wins
    """
    if settings is None:
        return {"concurrency": workers}
    if not isinstance(settings, WorkerSettings):
        raise ConfigurationError(f"The daemon's settings are {settings!r}, but must be WorkerSettings(...)")
    chosen = settings if workers is None else replace(settings, concurrency=workers)
    return {
        field.name: getattr(chosen, field.name)
        for field in fields(chosen)
        if getattr(chosen, field.name) != field.default
    }


def event_to_config(event: Any) -> dict[str, Any]:
    """Return the configuration that the event stands for that a daemon was made for: its records are the queue."""
    return {"sqs_consumer": {"sqs_queue_url": event}} if is_event(event) else {}
