"""
What a function takes: arguments that travel, and what it is given where it runs.

Annotations are read when they are asked for: they may name what stands below the function.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from inspect import BoundArguments, Parameter, Signature
from logging import Logger
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

from microcosm_pubsub.config.cached import cached_property
from microcosm_pubsub.dispatcher.arguments import get_kind
from microcosm_pubsub.errors import ConfigurationError
from microcosm_pubsub.message import SQSMessage
from microcosm_pubsub.producer import Producer, SNSProducer
from microcosm_pubsub.registry.signature import NAMED, UNRESOLVED, find_names, find_signature, resolve


#: The types of parameters that are no data, but given to a function where it runs: by the annotation, or by the name.
GIVEN_TYPES = (SQSMessage, Producer, SNSProducer, Logger)
GIVEN_NAMES = frozenset({"graph", "session", "dbsession"})

POSITIONAL = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)


class Declared:
    """
    What a function takes.

    :param function: the function, or a method that is bound
    :param skip: how many of its parameters stand before the arguments
    :param own_type: of parameters that are given the call itself
    :param own_name: of a dict that is given with the call
    """

    def __init__(self, function: Callable[..., Any], skip: int, own_type: type | None, own_name: str | None) -> None:
        self.function = function
        self.name = getattr(function, "__qualname__", repr(function))
        self.skip = skip
        self.own_type = own_type
        self.own_name = own_name

    @cached_property
    def annotated(self) -> dict[str, tuple[Parameter, Any]]:
        """Return all parameters by name, with what their annotations stand for."""
        names = find_names(self.function)
        found = list(find_signature(self.function).parameters.values())[self.skip :]
        return {each.name: (each, self._find_kind(resolve(each.annotation, names))) for each in found}

    def _find_kind(self, annotation: Any) -> Any:
        # Who calls the function directly may leave out what is given to it elsewhere: `Logger | None`.
        others = [each for each in get_args(annotation) if each is not NoneType]
        is_optional = get_origin(annotation) in (Union, UnionType) and len(others) == 1
        is_given = is_optional and (get_kind(others[0]) in GIVEN_TYPES or self._is_own(others[0]))
        return others[0] if is_given else annotation

    @cached_property
    def given(self) -> tuple[Parameter, ...]:
        """Return the parameters that are given where the function runs."""
        return tuple(
            parameter.replace(annotation=Parameter.empty if kind is None else kind, kind=Parameter.KEYWORD_ONLY)
            for parameter, kind in self.annotated.values()
            if self._is_given(parameter, kind)
        )

    @cached_property
    def own(self) -> tuple[str, ...]:
        """Return the names of the parameters that are given the call itself."""
        return tuple(name for name, (_, kind) in self.annotated.items() if self._is_own(kind))

    @cached_property
    def has_own_dict(self) -> bool:
        """Return whether the function takes the dict that is given with the call."""
        return any(self._is_own_dict(parameter, kind) for parameter, kind in self.annotated.values())

    @cached_property
    def signature(self) -> Signature:
        """Return the signature for callers from afar."""
        return Signature(
            [
                # People read it: annotations may be texts, which are shorter than what they name.
                each if kind is None or kind is UNRESOLVED else each.replace(annotation=kind)
                for each, kind in self.annotated.values()
                if not (self._is_given(each, kind) or self._is_own(kind) or self._is_own_dict(each, kind))
            ]
        )

    def check(self) -> None:
        """
        Check that arguments can be given to it.

        :raises ConfigurationError: if one would go to another parameter
        """
        between = [name for name, (each, _) in self.annotated.items() if each.kind in POSITIONAL]
        if self.takes_more and (given := [name for name in between if name not in self.kinds]):
            raise ConfigurationError(
                f"{self.name}: {given[0]} is given by its name, and stands before *, where it would get an argument: "
                "let it stand behind"
            )

    @cached_property
    def rest(self) -> str | None:
        """Return the name of the parameter that takes all others by name, if there is one."""
        declared = self.signature.parameters.values()
        return next((each.name for each in declared if each.kind is Parameter.VAR_KEYWORD), None)

    @cached_property
    def kinds(self) -> Mapping[str, Any]:
        """Return the kinds of arguments, by name."""
        return {name: each.kind for name, each in self.signature.parameters.items()}

    @cached_property
    def takes_more(self) -> bool:
        """Return whether the function takes any number of arguments by position."""
        return Parameter.VAR_POSITIONAL in self.kinds.values()

    @cached_property
    def keywords(self) -> frozenset[str]:
        """Return the names by which the function takes its own parameters, and not those of the one that takes all."""
        declared = find_signature(getattr(self.function, "__func__", self.function)).parameters.values()
        return frozenset(each.name for each in declared if each.kind in NAMED)

    @cached_property
    def is_plain(self) -> bool:
        """Return whether all arguments can be given by name."""
        return all(each.kind in NAMED for each in self.signature.parameters.values())

    def arrange(self, arguments: Mapping[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return arguments by position and by name, as the function takes them."""
        bound = BoundArguments(self.signature, OrderedDict(arguments))
        bound.apply_defaults()
        if self.takes_more:
            return bound.args, bound.kwargs
        # By name where that can be: what the function is given may stand before one of them.
        by_name = {name: value for name, value in bound.arguments.items() if self.kinds[name] in NAMED}
        first = [value for name, value in bound.arguments.items() if self.kinds[name] is Parameter.POSITIONAL_ONLY]
        return tuple(first), {**by_name, **bound.arguments.get(self.rest or "", {})}

    def _is_given(self, parameter: Parameter, kind: Any) -> bool:
        if parameter.kind not in NAMED:
            return False
        return get_kind(kind) in GIVEN_TYPES or (parameter.name in GIVEN_NAMES and is_component(kind))

    def _is_own(self, kind: Any) -> bool:
        return self.own_type is not None and isinstance(kind, type) and issubclass(kind, self.own_type)

    def _is_own_dict(self, parameter: Parameter, kind: Any) -> bool:
        # A parameter of that name with another type is an argument like any other.
        return parameter.name == self.own_name and (kind in (None, Any) or get_origin(kind) is dict or kind is dict)


def takes_first(method: Callable[..., Any]) -> bool:
    """Return whether a method, which is bound, takes something by position."""
    try:
        first = next(iter(find_signature(method).parameters.values()), None)
    except ValueError:
        # It does not even take its object.
        return False
    return first is not None and first.kind in (*POSITIONAL, Parameter.VAR_POSITIONAL)


def is_component(kind: Any) -> bool:
    """Return whether an annotation may be that of a graph or a session: one of data, such as `graph: str`, is not."""
    if kind in (None, Any, object, UNRESOLVED):
        return True
    return str(getattr(kind, "__module__", "")).partition(".")[0] in ("microcosm", "sqlalchemy")
