"""
Declare schemas and handlers where they are defined.
"""

import sys
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Protocol, TypeAlias, TypeVar, Unpack, overload

from marshmallow import Schema
from microcosm.hooks import on_resolve

from microcosm_pubsub.codecs.content import Payload
from microcosm_pubsub.errors import ConfigurationError
from microcosm_pubsub.message import SQSMessage
from microcosm_pubsub.registry import (
    PubSubMessageSchemaRegistry,
    SQSMessageHandlerRegistry,
    media_type_for,
)
from microcosm_pubsub.registry.media_type import declare_media_type
from microcosm_pubsub.registry.options import HandlerOptions, Options
from microcosm_pubsub.registry.patterns import check_pattern
from microcosm_pubsub.registry.signature import read_signature


S = TypeVar("S", bound=type)
H = TypeVar("H", bound=Callable[..., Any])
#: A class of content, what a handler asks for beside it, and what it may return: of one content, and of a batch.
C = TypeVar("C", bound=Payload)
P = ParamSpec("P")
Outcome: TypeAlias = bool | None
R = TypeVar("R", bound=Outcome | Awaitable[Outcome])
B = TypeVar("B", bound=Outcome | Sequence[Any] | Awaitable[Outcome | Sequence[Any]])


class TypedDecorator(Protocol[C]):
    """Take a handler of one class of content: of one instance, of its message, or of a batch."""

    @overload
    def __call__(self, handler: type[H]) -> type[H]: ...

    @overload
    def __call__(self, handler: Callable[Concatenate[C, P], R]) -> Callable[Concatenate[C, P], R]: ...

    @overload
    def __call__(
        self, handler: Callable[Concatenate[SQSMessage[C], P], R]
    ) -> Callable[Concatenate[SQSMessage[C], P], R]: ...

    @overload
    def __call__(self, handler: Callable[Concatenate[list[C], P], B]) -> Callable[Concatenate[list[C], P], B]: ...


@overload
def schema(schema_cls: S) -> S: ...


@overload
def schema(*, media_type: str) -> Callable[[S], S]: ...


def schema(schema_cls: Any = None, *, media_type: str | None = None) -> Any:
    """
    Register a schema class for its media type, and return it.

        @schema
        class OrderSchema(PubSubMessageSchema):
            MEDIA_TYPE = "application/vnd.acme.order"

        @schema(media_type="application/vnd.acme.order")
        @dataclass
        class Order: ...

    :param schema_cls: a marshmallow schema; or a class whose instances are the content: a dataclass, a pydantic model,
        a msgspec Struct
    :param media_type: in the place of what the class names itself
    :raises ConfigurationError: if it names none
    """

    def decorator(cls: Any) -> Any:
        if media_type is not None:
            declare_media_type(cls, media_type)
        on_resolve(PubSubMessageSchemaRegistry, _register, media_type_for(cls), cls)
        return cls

    return decorator if schema_cls is None else decorator(schema_cls)


@overload
def handles(schema_or_media_type: type[C], **options: Unpack[Options]) -> TypedDecorator[C]: ...


@overload
def handles(schema_or_media_type: Any, **options: Unpack[Options]) -> Callable[[H], H]: ...


def handles(schema_or_media_type: Any, **options: Unpack[Options]) -> Any:
    """
    Register a handler, a function or a class, for a schema or a media type, and return it.

    A schema class is registered with it, if it was not with `@schema`; and so is a dataclass, a pydantic model or a
    msgspec Struct with which the handler annotates its content.

    :param schema_or_media_type: a schema class, a class that has its media type by `@schema`, any class with
        `MEDIA_TYPE` or `infer_media_type()`, or the text of a media type, or of a pattern: see `registry.patterns`
    :param options: how the handler wants its messages: `HandlerOptions` by name
    :raises ConfigurationError: if it names no media type, or an option is not known or cannot work; a program that does
        not catch it ends with one line that names the handler
    """

    def decorator(handler: H) -> H:
        try:
            handler_options = HandlerOptions.make(options)
            named = isinstance(schema_or_media_type, str)
            media_type = schema_or_media_type if named else media_type_for(schema_or_media_type)
            check_pattern(media_type)
        except ConfigurationError as error:
            name = getattr(handler, "__qualname__", None) or type(handler).__qualname__
            raise end_in_one_line(ConfigurationError(f"@handles of {name}: {error}")) from None
        # Without its schema the handler's messages would be ignored.
        if isinstance(schema_or_media_type, type) and issubclass(schema_or_media_type, Schema):
            on_resolve(PubSubMessageSchemaRegistry, _register, media_type, schema_or_media_type)
        else:
            on_resolve(PubSubMessageSchemaRegistry, _register_content, media_type, schema_or_media_type)
        on_resolve(PubSubMessageSchemaRegistry, _register_content_of, media_type, handler, handler_options)
        on_resolve(SQSMessageHandlerRegistry, _register, media_type, handler, handler_options)
        return handler

    return decorator


def end_in_one_line(error: ConfigurationError) -> ConfigurationError:
    """
    Return an error that is printed as one line, without a traceback, if nobody catches it.

    It is raised while a module is imported: no code of a daemon that could catch it has run by then.
    """
    show_others = sys.excepthook

    def show(kind: type[BaseException], value: BaseException, traceback: TracebackType | None) -> None:
        if value is error:
            print(f"Cannot start: {error}", file=sys.stderr)
        else:
            show_others(kind, value, traceback)

    sys.excepthook = show
    return error


def _register_content(registry: PubSubMessageSchemaRegistry, media_type: str, content: Any) -> None:
    registry.register_content(media_type, content)


def _register_content_of(
    registry: PubSubMessageSchemaRegistry, media_type: str, handler: Any, options: HandlerOptions
) -> None:
    # The annotations are read only now: they may name what stands below the handler.
    function = partial(handler.__call__, None) if isinstance(handler, type) else handler
    registry.register_content(media_type, read_signature(function, options.batch_size is not None).content)


def _register(registry: Any, media_type: str, *values: Any) -> None:
    registry.register(media_type, *values)
