"""
Notices of what became of resources: the lifecycle conventions, as callbacks.

    @on_change("host", Change.CREATED)
    def greet(event: str, resource: str, message: SQSMessage) -> None: ...
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import Enum
from functools import update_wrapper
from typing import Any, Unpack

from marshmallow import Schema

from microcosm_pubsub.conventions import LifecycleChange, make_media_type
from microcosm_pubsub.decorators import handles
from microcosm_pubsub.message import SQSMessage
from microcosm_pubsub.registry import media_type_for
from microcosm_pubsub.registry.options import Options
from microcosm_pubsub.registry.patterns import REST


CHANGES = LifecycleChange()


class Change(Enum):
    """The change of a resource."""

    CREATED = LifecycleChange.Created
    CHANGED = LifecycleChange.Changed
    DELETED = LifecycleChange.Deleted
    ANY = "any"


#: Is told what happened, of which resource, and by which message.
Callback = Callable[[str, str, SQSMessage], Any]


class ChangeHandler:
    """
    Handle the messages of changes by a callback; it has handled one when it returns.

    :param callback: `callback(event, resource, message)`
    """

    def __init__(self, callback: Callback) -> None:
        update_wrapper(self, callback)
        self.callback = callback

    def __call__(self, message: SQSMessage, /) -> bool:
        """Tell the callback."""
        event, resource = split(message.media_type or "")
        self.callback(event, resource, message)
        return True


def on_change(resource: Any, change: Change = Change.ANY, **options: Unpack[Options]) -> Callable[[Callback], Callback]:
    """
    Register a callback for changes of a resource: `callback(event, resource, message)`.

    `event` is "created", "changed" or "deleted", `resource` the name in the media type. The messages are those that
    `created("host")` and the like name, from any publisher. A handler of one media type wins over the callback of all.

    :param resource: its name, a class with `__alias__`, a marshmallow schema whose media type names it; None is every
        resource
    :param change: the change of the resource
    :param options: how its messages are wanted: `HandlerOptions` by name
    """

    def decorator(callback: Callback) -> Callback:
        handler = ChangeHandler(callback)
        for media_type in iter_media_types(resource, change):
            handles(media_type, **options)(handler)
        return callback

    return decorator


def iter_media_types(resource: Any, change: Change) -> Iterable[str]:
    """Iterate over the media types of changes of a resource."""
    changes = [each for each in Change if each is not Change.ANY] if change is Change.ANY else [change]
    for each in changes:
        if isinstance(resource, type) and issubclass(resource, Schema):
            # The change of its own media type does not matter.
            _, name = split(media_type_for(resource))
        elif resource is None:
            name = REST
        else:
            name = resource
        yield make_media_type(name, each.value)


def split(media_type: str) -> tuple[str, str]:
    """Return the change and the resource that a media type names."""
    parts = media_type.split(".")
    for index, part in enumerate(parts[:-1]):
        if part in CHANGES:
            return part, ".".join(parts[index + 1 :])
    return "", parts[-1]
