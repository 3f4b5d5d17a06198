"""
Notices of what became of resources: the lifecycle conventions, as callbacks.

    @on_change("host", Change.CREATED)
    def greet(event: str, resource: str, message: SQSMessage) -> None: ...
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from functools import update_wrapper
from inspect import Parameter, Signature, iscoroutinefunction, isfunction
from typing import Any, Concatenate, TypeVar, Unpack

from marshmallow import Schema

from microcosm_pubsub.batch import MessageBatchSchema
from microcosm_pubsub.calls.functions import name_of
from microcosm_pubsub.conventions import LifecycleChange, make_media_type
from microcosm_pubsub.decorators import end_in_one_line, handles
from microcosm_pubsub.errors import ConfigurationError, IgnoreMessage, article
from microcosm_pubsub.message import SQSMessage
from microcosm_pubsub.middleware.handler_call import find_undone
from microcosm_pubsub.registry import media_type_for
from microcosm_pubsub.registry.media_type import describe_name, find_declared_media_type
from microcosm_pubsub.registry.options import Options
from microcosm_pubsub.registry.patterns import REST
from microcosm_pubsub.registry.signature import NAMED, find_names, find_signature, resolve


CHANGES = LifecycleChange()


class Change(Enum):
    """The change of a resource."""

    CREATED = LifecycleChange.Created
    CHANGED = LifecycleChange.Changed
    DELETED = LifecycleChange.Deleted
    ANY = "any"


#: Is told what happened, of which resource, and by which message.
Callback = Callable[Concatenate[str, str, SQSMessage, ...], Any]
C = TypeVar("C", bound=Callback)

#: The arguments that every callback gets, by position.
TOLD = 3


class ChangeHandler:
    """
    Handle the messages of changes by a callback; it has handled one when it returns.

    :param callback: `callback(event, resource, message)`; what else it asks for it is given as any handler is
    :param gives_way: whether another handler of the same media type is taken in its place
    """

    def __init__(self, callback: Callback, gives_way: bool = False) -> None:
        update_wrapper(self, callback)
        self.callback = callback
        self.gives_way = gives_way
        #: By which daemons name it among their components, as they name tasks.
        self.component_name = name_of(callback) if hasattr(callback, "__qualname__") else None

    @property
    def __signature__(self) -> Signature:
        # It is read when a daemon starts: annotations may name what stands below the callback.
        names = find_names(self.callback)
        others = list(find_signature(self.callback).parameters.values())[TOLD:]
        return Signature(
            [
                Parameter("received", Parameter.POSITIONAL_ONLY, annotation=SQSMessage),
                *(
                    each.replace(
                        kind=Parameter.KEYWORD_ONLY,
                        annotation=Parameter.empty if (kind := resolve(each.annotation, names)) is None else kind,
                    )
                    for each in others
                    if each.kind in NAMED
                ),
            ]
        )

    def __call__(self, message: SQSMessage, /, **given: Any) -> bool:
        """
        Tell the callback.

        :raises IgnoreMessage: if nothing became of a resource
        """
        event, resource = read(message)
        value = self.callback(event, resource, message, **given)
        if undone := find_undone(value):
            raise undone
        return True


class AsyncChangeHandler(ChangeHandler):
    """Handle the messages of changes by a callback that is a coroutine function."""

    async def __call__(self, message: SQSMessage, /, **given: Any) -> bool:  # type: ignore[override]
        """
        Tell the callback.

        :raises IgnoreMessage: if nothing became of a resource
        """
        event, resource = read(message)
        await self.callback(event, resource, message, **given)
        return True


def on_change(resource: Any, change: Change | str = Change.ANY, **options: Unpack[Options]) -> Callable[[C], C]:
    """
    Register a callback for changes of a resource: `callback(event, resource, message)`.

    `event` is "created", "changed" or "deleted", `resource` the name in the media type. The messages are those that
    `created("host")` and the like name, from any publisher. The most specific wins: a handler of one media type over
    the callback of all resources, and whatever is registered for one change over the callback of all changes.

    :param resource: its name, a class with `__alias__`, a marshmallow schema or another class whose media type names
        it; None is every resource
    :param change: the change of the resource
    :param options: how its messages are wanted: `HandlerOptions` by name
    :raises ConfigurationError: if the resource, the change, an option or the callback cannot be; a program that does
        not catch it ends with one line that names the callback
    """

    def decorator(callback: C) -> C:
        try:
            media_types = list(iter_media_types(resource, find_change(change)))
            check_callback(callback, options)
        except ConfigurationError as error:
            raise end_in_one_line(ConfigurationError(f"@on_change of {describe_name(callback)}: {error}")) from None
        cls = AsyncChangeHandler if iscoroutinefunction(callback) else ChangeHandler
        handler = cls(callback, gives_way=len(media_types) > 1)
        for media_type in media_types:
            handles(media_type, **options)(handler)
        return callback

    if isfunction(resource):
        text = f"@on_change says which resource it is for: @on_change(None) above {resource.__qualname__} for every one"
        raise end_in_one_line(ConfigurationError(text))
    return decorator


def find_change(change: Any) -> Change:
    """
    Return a change, which may be named by its text.

    :raises ConfigurationError: if there is none
    """
    try:
        return Change(change)
    except ValueError:
        known = ", ".join(str(each) for each in Change)
        raise ConfigurationError(f"the change is {change!r}, but must be one of {known}") from None


def check_callback(callback: Any, options: Mapping[str, Any]) -> None:
    """
    Check that a callback can be told.

    :raises ConfigurationError: if it cannot
    """
    if options.get("batch_size") is not None:
        raise ConfigurationError("a callback is told of one message, and has no batch_size")
    try:
        find_signature(callback).bind_partial(*TOLD * (None,))
    except (TypeError, ValueError):
        raise ConfigurationError("it must be a function that takes (event, resource, message)") from None


def iter_media_types(resource: Any, change: Change) -> Iterable[str]:
    """
    Iterate over the media types of changes of a resource.

    :raises ConfigurationError: if nothing names the resource
    """
    name = find_name(resource)
    for each in [each for each in Change if each is not Change.ANY] if change is Change.ANY else [change]:
        yield make_media_type(name, each.value)


def find_name(resource: Any) -> Any:
    """
    Return what names a resource in media types.

    :raises ConfigurationError: if nothing does
    """
    if resource is None:
        return REST
    if isinstance(resource, str):
        if not resource or "/" in resource:
            raise ConfigurationError(f"the resource is {resource!r}, but must be its name, such as 'host'")
        return resource
    cls = resource if isinstance(resource, type) else type(resource)
    if not (issubclass(cls, Schema) or find_declared_media_type(cls)):
        if isinstance(resource, type) or hasattr(resource, "__alias__"):
            return resource
        raise ConfigurationError(f"the resource is {article(resource)}, but must be its name, or a class")
    # The change of its own media type does not matter.
    event, name = split(media_type := media_type_for(cls))
    if not event:
        raise ConfigurationError(
            f"the media type of {cls.__qualname__}, {media_type}, names no change of a resource; name the resource "
            "itself, or use @handles"
        )
    return name


def read(message: SQSMessage) -> tuple[str, str]:
    """
    Return the change and the resource of which a message tells.

    :raises IgnoreMessage: if it is a call, or holds a batch: their media types are named as if they were created too
    """
    is_call = isinstance(message.content, dict) and "jsonrpc" in message.content
    if is_call or message.media_type == MessageBatchSchema.MEDIA_TYPE:
        raise IgnoreMessage("it tells of no resource")
    return split(message.media_type or "")


def split(media_type: str) -> tuple[str, str]:
    """Return the change and the resource that a media type names."""
    parts = media_type.split(".")
    for index, part in enumerate(parts[:-1]):
        if part in CHANGES:
            return part, ".".join(parts[index + 1 :])
    return "", parts[-1]
