"""
The way in which a link meets the context.

A link is any callable. `compile_link` turns it, once, into a step: a function of a context that
finds the link's arguments, under other names if it `binds` some, calls it, and stores what it
`extracts`. Signatures are read here and never while a chain runs. `context_decorators` has the parts of a step one by
one, for chains that put others between them.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from functools import partial
from inspect import Parameter, signature, unwrap
from typing import Any

from microcosm_pubsub.chain.context import renamed
from microcosm_pubsub.chain.decorators import bound_names, extracted_names
from microcosm_pubsub.chain.exceptions import ChainError, ContextKeyNotFound
from microcosm_pubsub.errors import ConfigurationError


Context = dict[str, Any]
Step = Callable[[Context], Any]

#: The question of a statement: a key of the context, or a function whose arguments are those of a link.
Question = str | Callable[..., Any]

NONE_GIVEN: Mapping[str, Any] = {}

#: The parameters of a builtin that does not tell them.
NO_PARAMETERS: Mapping[str, Parameter] = {}


class Statement:
    """A link that is written like a sentence, and is none until the sentence is complete."""

    __slots__ = ()

    @property
    def is_complete(self) -> bool:
        """Return whether it can be run."""
        return True


def compile_link(
    link: Callable[..., Any],
    given: Mapping[str, Any] = NONE_GIVEN,
    names: tuple[str, ...] | None = None,
) -> Step:
    """
    Turn a link into a function of a context.

    :param given: arguments that are not found by name, each the key of another one or a constant
    :param names: where to store the result, instead of what the link says
    :raises ConfigurationError: if the link cannot be called, or not so
    """
    step = renaming(link, calling(link, given))
    return saving(link, step, extracted_names(link) if names is None else names)


def calling(link: Callable[..., Any], given: Mapping[str, Any] = NONE_GIVEN) -> Step:
    """
    Call a link with the values that its parameters name in the context.

    :raises ConfigurationError: if the link is none, or has no parameter that is `given`
    """
    positional, keywords = _arguments_of(link, given)

    def step(context: Context) -> Any:
        return link(
            *[argument(context) for argument in positional],
            **{name: argument(context) for name, argument in keywords.items()},
        )

    return step


def renaming(link: Callable[..., Any], step: Step) -> Step:
    """Rename the keys that a link `binds` while it runs."""
    names = bound_names(link)
    if not names:
        return step

    def renaming_step(context: Context) -> Any:
        with renamed(context, names):
            return step(context)

    return renaming_step


def saving(link: Callable[..., Any], step: Step, names: tuple[str, ...]) -> Step:
    """Store the value of a link under a name, or its parts under several."""
    if not names:
        return step

    def saving_step(context: Context) -> Any:
        result = step(context)
        parts = (result,) if len(names) == 1 else _unpack(link, names, result)
        for name, part in zip(names, parts, strict=True):
            context[name] = part
        return result

    return saving_step


def look_up(key: str, link: str, default: Any = Parameter.empty, reported: str | None = None) -> Step:
    """
    Find a key in the context, or take the default.

    :param link: the name of the link that needs it, for the error
    :param reported: the key's name in the error, if it is another one
    """

    def looking(context: Context) -> Any:
        try:
            return context[key]
        except KeyError:
            if default is not Parameter.empty:
                return default
        raise ContextKeyNotFound(link, reported or key)

    return looking


def ask(question: Question, statement: str) -> Step:
    """
    Make a step that gives the value of a key, or of a function, whose arguments are those of a link.

    :param statement: the statement that asks, for errors
    """
    if isinstance(question, str):
        return look_up(question, f"{statement}({question!r})")
    return compile_link(question)


def describe(link: Any) -> str:
    """Name a link, for logs and errors."""
    if isinstance(link, partial):
        return describe(link.func)
    name = getattr(link, "__qualname__", None)
    return name if isinstance(name, str) else type(link).__qualname__


def _arguments_of(link: Callable[..., Any], given: Mapping[str, Any]) -> tuple[list[Step], dict[str, Step]]:
    parameters = parameters_of(link)
    renamed = {new: old for old, new in bound_names(link).items()}
    fixed = _fixed_keywords(link)
    positional: list[Step] = []
    keywords: dict[str, Step] = {}
    for name, parameter in parameters.items():
        if parameter.kind in (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD):
            continue
        if name in given:
            argument = _look_up_or_take(given[name])
        elif name in fixed:
            continue
        else:
            argument = look_up(name, describe(link), parameter.default, renamed.get(name, name))
        if parameter.kind is Parameter.KEYWORD_ONLY:
            keywords[name] = argument
        else:
            positional.append(argument)
    return positional, keywords | _extra_arguments(link, parameters, given)


def _extra_arguments(
    link: Callable[..., Any],
    parameters: Mapping[str, Parameter],
    given: Mapping[str, Any],
) -> dict[str, Step]:
    extra = {name: _look_up_or_take(value) for name, value in given.items() if name not in parameters}
    takes_any = parameters is NO_PARAMETERS or any(
        parameter.kind is Parameter.VAR_KEYWORD for parameter in parameters.values()
    )
    if extra and not takes_any:
        raise ConfigurationError(f"Link {describe(link)} has no parameters {sorted(extra)}, but {list(parameters)}")
    return extra


def _look_up_or_take(value: Any) -> Step:
    if not isinstance(value, str):
        return lambda context: value
    return lambda context: context.get(value, value)


def parameters_of(link: Any) -> Mapping[str, Parameter]:
    """
    Return the parameters that a link finds by name; none of a builtin that does not tell its own, such as `dict`.

    :raises ConfigurationError: if it cannot be called
    """
    incomplete = isinstance(link, Statement) and not link.is_complete
    if incomplete or not callable(link):
        raise ConfigurationError(
            f"{describe(link)} is not a link: a link is a callable, and a statement that is complete"
        )
    try:
        return signature(link).parameters
    except ValueError:
        return NO_PARAMETERS


def _fixed_keywords(link: Callable[..., Any]) -> Collection[str]:
    """Return the keywords that a `partial` has already given, which no key of the context replaces."""
    function = unwrap(link)
    return function.keywords if isinstance(function, partial) else ()


def _unpack(link: Callable[..., Any], names: tuple[str, ...], result: Any) -> tuple[Any, ...]:
    if not isinstance(result, Iterable):
        raise ChainError(
            f"Link {describe(link)} extracts {list(names)}, but returned {type(result).__name__}: "
            "return one value for each"
        )
    parts = tuple(result)
    if len(parts) != len(names):
        raise ChainError(
            f"Link {describe(link)} extracts {list(names)}, but returned {len(parts)} values: return one value for each"
        )
    return parts
