"""
Declare schemas and handlers where they are defined.
"""

import sys
from collections.abc import Callable
from types import TracebackType
from typing import Any, TypeVar, Unpack

from marshmallow import Schema
from microcosm.hooks import on_resolve

from microcosm_pubsub.errors import ConfigurationError
from microcosm_pubsub.registry import (
    PubSubMessageSchemaRegistry,
    SQSMessageHandlerRegistry,
    media_type_for,
)
from microcosm_pubsub.registry.options import HandlerOptions, Options


S = TypeVar("S", bound=type[Schema])
H = TypeVar("H", bound=Callable[..., Any])


def schema(schema_cls: S) -> S:
    """
    Register a schema class for the media type that it names, and return it.

    :raises ConfigurationError: if it names none
    """
    on_resolve(PubSubMessageSchemaRegistry, _register, media_type_for(schema_cls), schema_cls)
    return schema_cls


def handles(schema_or_media_type: Any, **options: Unpack[Options]) -> Callable[[H], H]:
    """
    Register a handler, a function or a class, for a schema or a media type, and return it.

    A schema class is registered with it, if it was not with `@schema`.

    :param schema_or_media_type: a schema class, any class with `MEDIA_TYPE` or `infer_media_type()`, or the
        text of a media type, which may end in `.*`
    :param options: how the handler wants its messages: `HandlerOptions` by name
    :raises ConfigurationError: if it names no media type, or an option is not known or cannot work; a program that does
        not catch it ends with one line that names the handler
    """

    def decorator(handler: H) -> H:
        try:
            handler_options = HandlerOptions.make(options)
            named = isinstance(schema_or_media_type, str)
            media_type = schema_or_media_type if named else media_type_for(schema_or_media_type)
        except ConfigurationError as error:
            name = getattr(handler, "__qualname__", None) or type(handler).__qualname__
            raise end_in_one_line(ConfigurationError(f"@handles of {name}: {error}")) from None
        if isinstance(schema_or_media_type, type) and issubclass(schema_or_media_type, Schema):
            # without its schema the handler's messages would be ignored
            on_resolve(PubSubMessageSchemaRegistry, _register, media_type, schema_or_media_type)
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


def _register(registry: Any, media_type: str, *values: Any) -> None:
    registry.register(media_type, *values)
