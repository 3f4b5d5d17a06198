"""
The parts of a step, each a decorator: `decorator(context, func)` returns a function without arguments.

`Chain.context_decorators` lists them from the inside out. A chain may list others between or around them; then its
links are decorated each time that they run, and not once.
"""

from collections.abc import Callable
from functools import partial
from inspect import Parameter
from typing import Any

from microcosm_pubsub.chain.decorators import EXTRACTS, binds, extracts, find_mark, name_after_extract, wrap
from microcosm_pubsub.chain.link import Context, calling, parameters_of, renaming, saving


__all__ = [
    "Call",
    "ContextDecorator",
    "binds",
    "extracts",
    "get_from_context",
    "get_positional_args",
    "save_to_context",
    "save_to_context_by_func_name",
    "temporarily_replace_context_keys",
]

Call = Callable[..., Any]
ContextDecorator = Callable[[Context, Call], Call]

POSITIONAL = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)


def get_positional_args(func: Call) -> list[str]:
    """Return the names of the arguments that a function takes by position, without the `self` of a method."""
    return [name for name, parameter in parameters_of(func).items() if parameter.kind in POSITIONAL]


def get_from_context(context: Context, func: Call) -> Call:
    """
    Call a function with the values that its parameters name in the context.

    :raises ContextKeyNotFound: when it runs, if the context does not hold one of them
    """
    return wrap(func, partial(calling(func), context))


def save_to_context(context: Context, func: Call) -> Call:
    """
    Store the value of a function as its `extracts` says.

    :raises ChainError: when it runs, if it returns another number of values
    """
    return _save(context, func, find_mark(func, EXTRACTS) or ())


def save_to_context_by_func_name(context: Context, func: Call) -> Call:
    """Store the value of a function named `extract_<name>` under that name, unless it `extracts` otherwise."""
    return _save(context, func, () if find_mark(func, EXTRACTS) else name_after_extract(func))


def temporarily_replace_context_keys(context: Context, func: Call) -> Call:
    """Rename the keys that a function `binds` while it runs."""

    def call(*args: Any, **kwargs: Any) -> Any:
        return renaming(func, lambda context: func(*args, **kwargs))(context)

    return wrap(func, call)


def _save(context: Context, func: Call, names: tuple[str, ...]) -> Call:
    def call(*args: Any, **kwargs: Any) -> Any:
        return saving(func, lambda context: func(*args, **kwargs), names)(context)

    return wrap(func, call) if names else func
