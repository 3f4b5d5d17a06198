"""
The signature of a handler: its content, its other arguments, and whether it returns anything.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from inspect import Parameter, Signature, signature, unwrap
from types import NoneType
from typing import Any, get_args, get_origin, get_type_hints

from microcosm_pubsub.message import SQSMessage


#: Stands for an annotation that cannot be resolved here: one that is imported for type checkers alone, say.
UNRESOLVED = object()

#: The kinds of parameters that are passed by name.
NAMED = (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)


@dataclass(frozen=True, slots=True)
class WantedArgument:
    """
    A parameter beside the content.

    :param annotation: its type; None if it has none, `UNRESOLVED` if that cannot be found
    :param is_required: whether it has no default
    """

    name: str
    annotation: Any
    is_required: bool


@dataclass(frozen=True, slots=True)
class HandlerSignature:
    """
    The facts that the signature of a handler tells.

    :param content: the type of one content; None if it does not say, `UNRESOLVED` if that cannot be found
    :param content_text: the annotation as it is written
    :param takes_message: whether the handler takes the message itself in the place of its content
    :param wanted: its parameters beside the content
    :param returns_none: whether it says that it returns nothing
    """

    content: Any = None
    content_text: str = ""
    takes_message: bool = False
    wanted: tuple[WantedArgument, ...] = ()
    returns_none: bool = False


def read_signature(handler: Callable[..., Any], is_batch: bool = False) -> HandlerSignature:
    """
    Return the facts that the signature of a bound handler tells; none if it has none, as some builtins do.

    :param handler: a function, or an object that can be called
    :param is_batch: whether it takes a list of contents
    """
    try:
        found = find_signature(handler)
    except (TypeError, ValueError):
        return HandlerSignature()
    names = find_names(handler)
    first, *others = found.parameters.values() or (None,)
    returns_none = resolve(found.return_annotation, names) is NoneType
    if first is None or first.kind is Parameter.VAR_KEYWORD:
        return HandlerSignature(returns_none=returns_none)
    wanted = tuple(
        WantedArgument(each.name, resolve(each.annotation, names), each.default is Parameter.empty)
        for each in others
        if each.kind in NAMED
    )
    content = resolve(first.annotation, names)
    if is_batch and get_origin(content) is not None and get_args(content):
        content = get_args(content)[0]
    takes_message = (get_origin(content) or content) is SQSMessage
    if takes_message:
        content = next(iter(get_args(content)), None)
    text = "" if first.annotation is Parameter.empty else str(first.annotation)
    return HandlerSignature(content, text, takes_message, wanted, returns_none)


def find_signature(handler: Callable[..., Any]) -> Signature:
    """
    Return the signature by which a handler can be called.

    A wrapper's own signature counts, and not that of what it wraps, unless it passes on whatever it gets.
    """
    own = signature(handler, follow_wrapped=False)
    return signature(handler) if passes_on(own) else own


def passes_on(own: Signature) -> bool:
    """Return whether a wrapper of this signature passes on all its arguments."""
    return any(each.kind is Parameter.VAR_KEYWORD for each in own.parameters.values())


def find_names(handler: Callable[..., Any]) -> dict[str, Any]:
    """Return the names that the annotations of a handler may use: those of the module in which they are written."""
    while isinstance(handler, partial):
        handler = handler.func
    function = unwrap(handler) if passes_on(signature(handler, follow_wrapped=False)) else handler
    if not hasattr(function, "__globals__"):
        # The handler is a method, or an object that can be called.
        function = getattr(function, "__func__", None) or type(function).__call__
        function = unwrap(function) if passes_on(signature(function, follow_wrapped=False)) else function
    return getattr(function, "__globals__", {})


def resolve(annotation: Any, names: dict[str, Any]) -> Any:
    """Return the type that an annotation stands for, None if there is none, or `UNRESOLVED`."""
    if annotation is Parameter.empty:
        return None

    def annotated() -> None: ...

    annotated.__annotations__ = {"value": annotation}
    try:
        return get_type_hints(annotated, globalns=names, include_extras=True)["value"]
    except Exception:
        # Annotations are user code, and may name what only type checkers import.
        return UNRESOLVED
