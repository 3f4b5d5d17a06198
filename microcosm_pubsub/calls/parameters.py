"""
The arguments of a function as JSON, by its annotations.

    def resize(image_id: UUID, *, width: int = 100, logger: Logger): ...

Parameters whose annotation says that they are part of where the function runs, as `logger` is here, are given to it
there, and never travel.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from functools import cached_property
from inspect import BoundArguments, Parameter, Signature, formatannotation
from json import dumps, loads
from logging import Logger
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

from marshmallow import RAISE, Schema, ValidationError, fields

from microcosm_pubsub.calls.errors import InvalidParams
from microcosm_pubsub.calls.loss import find_change, iter_keys
from microcosm_pubsub.codecs.codec import ENCODING_ERRORS
from microcosm_pubsub.dispatcher.arguments import get_kind
from microcosm_pubsub.errors import ConfigurationError, article
from microcosm_pubsub.fast.loader import Loader
from microcosm_pubsub.message import SQSMessage
from microcosm_pubsub.payloads.annotation import SchemaMaker
from microcosm_pubsub.producer import Producer, SNSProducer
from microcosm_pubsub.registry.signature import NAMED, UNRESOLVED, find_names, find_signature, resolve


#: The types of parameters that are no data, but given to a function where it runs: by the annotation, or by the name.
GIVEN_TYPES = (SQSMessage, Producer, SNSProducer, Logger)
GIVEN_NAMES = frozenset({"graph", "session", "dbsession"})

POSITIONAL = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)


class Parameters:
    """
    Write and read the arguments of a function.

    :param function: the function, or a method that is bound
    :param skip: how many of its parameters stand before the arguments
    :param own_type: of parameters that are given the call itself
    :param own_name: of a dict that is given with the call
    """

    def __init__(
        self,
        function: Callable[..., Any],
        skip: int = 0,
        own_type: type | None = None,
        own_name: str | None = None,
    ) -> None:
        self.function = function
        self.name = getattr(function, "__qualname__", repr(function))
        self.own_type = own_type
        self.own_name = own_name
        self.skip = skip

    @cached_property
    def _annotated(self) -> dict[str, tuple[Parameter, Any]]:
        # The schema is made when it is asked for: annotations may name what stands below the function.
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
            for parameter, kind in self._annotated.values()
            if self._is_given(parameter, kind)
        )

    @cached_property
    def own(self) -> tuple[str, ...]:
        """Return the names of the parameters that are given the call itself."""
        return tuple(name for name, (_, kind) in self._annotated.items() if self._is_own(kind))

    @cached_property
    def has_own_dict(self) -> bool:
        """Return whether the function takes the dict that is given with the call."""
        return any(self._is_own_dict(parameter, kind) for parameter, kind in self._annotated.values())

    @cached_property
    def signature(self) -> Signature:
        """Return the signature for callers from afar."""
        return Signature(
            [
                # People read it: annotations may be texts, which are shorter than what they name.
                each if kind is None or kind is UNRESOLVED else each.replace(annotation=kind)
                for each, kind in self._annotated.values()
                if not (self._is_given(each, kind) or self._is_own(kind) or self._is_own_dict(each, kind))
            ]
        )

    @cached_property
    def schema(self) -> Schema:
        """
        Return the schema that reads and writes the arguments by name.

        :raises ConfigurationError: if nothing is known that JSON could say of an annotation
        """
        between = [name for name, (each, _) in self._annotated.items() if each.kind in POSITIONAL]
        if self._takes_more and (given := [name for name in between if name not in self._kinds]):
            raise ConfigurationError(
                f"{self.name}: {given[0]} is given by its name, and stands before *, where it would get an argument: "
                "let it stand behind"
            )
        maker = SchemaMaker()
        made = {name: self._make_field(maker, parameter) for name, parameter in self.signature.parameters.items()}
        return Schema.from_dict(made, name=self.name)(unknown=RAISE)

    def dump(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """
        Return arguments as JSON can say them, by name.

        :raises InvalidParams: if they do not fit the function, or JSON cannot say one
        """
        try:
            arguments = self.signature.bind(*args, **kwargs).arguments
        except TypeError as error:
            raise InvalidParams(f"{self.name}: {error}") from None
        dumped = {name: self._dump_one(name, value) for name, value in arguments.items()}
        if problems := self.schema.validate(dumped):
            raise InvalidParams(f"{self.name}: {describe(problems)}")
        return dumped

    def load(self, params: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """
        Return the arguments that JSON stands for, by position and by name.

        :param params: a list, a dict, or None
        :raises InvalidParams: if they do not fit the function
        """
        by_name = params if type(params) is dict and self._rest is None else self._name(params)
        try:
            # The quick loader leaves out names that it does not know, and here such a name is a mistake.
            known = by_name.keys() <= self._names
            loaded = self._loader.load(by_name) if known else self.schema.load(by_name)
        except ValidationError as error:
            raise InvalidParams(f"{self.name}: {describe(error.messages)}") from error
        except ENCODING_ERRORS as error:
            raise InvalidParams(f"{self.name}: {type(error).__name__}: {error}") from error
        if self._is_plain:
            return (), loaded
        if twice := sorted(self._keywords & loaded.get(self._rest, {}).keys()):
            raise InvalidParams(f"{self.name}: {', '.join(twice)}: the function is given this otherwise")
        bound = BoundArguments(self.signature, OrderedDict(loaded))
        bound.apply_defaults()
        if self._takes_more:
            return bound.args, bound.kwargs
        # By name where that can be: what the function is given may stand before one of them.
        by_name = {name: value for name, value in bound.arguments.items() if self._kinds[name] in NAMED}
        first = [value for name, value in bound.arguments.items() if self._kinds[name] is Parameter.POSITIONAL_ONLY]
        return tuple(first), {**by_name, **bound.arguments.get(self._rest or "", {})}

    # Internals.

    @cached_property
    def _loader(self) -> Loader:
        return Loader(self.schema)

    @cached_property
    def _names(self) -> frozenset[str]:
        return frozenset(self.schema.fields)

    @cached_property
    def _rest(self) -> str | None:
        """Return the name of the parameter that takes all others by name, if there is one."""
        declared = self.signature.parameters.values()
        return next((each.name for each in declared if each.kind is Parameter.VAR_KEYWORD), None)

    @cached_property
    def _kinds(self) -> Mapping[str, Any]:
        return {name: each.kind for name, each in self.signature.parameters.items()}

    @cached_property
    def _takes_more(self) -> bool:
        """Return whether the function takes any number of arguments by position."""
        return Parameter.VAR_POSITIONAL in self._kinds.values()

    @cached_property
    def _keywords(self) -> frozenset[str]:
        """Return the names by which the function takes its own parameters, and not those of the one that takes all."""
        declared = find_signature(getattr(self.function, "__func__", self.function)).parameters.values()
        return frozenset(each.name for each in declared if each.kind in NAMED)

    @cached_property
    def _is_plain(self) -> bool:
        """Return whether all arguments can be given by name."""
        return all(each.kind in NAMED for each in self.signature.parameters.values())

    def _is_given(self, parameter: Parameter, kind: Any) -> bool:
        if parameter.kind not in NAMED:
            return False
        return get_kind(kind) in GIVEN_TYPES or (parameter.name in GIVEN_NAMES and is_component(kind))

    def _is_own(self, kind: Any) -> bool:
        return self.own_type is not None and isinstance(kind, type) and issubclass(kind, self.own_type)

    def _is_own_dict(self, parameter: Parameter, kind: Any) -> bool:
        # A parameter of that name with another type is an argument like any other.
        return parameter.name == self.own_name and (kind in (None, Any) or get_origin(kind) is dict or kind is dict)

    def _make_field(self, maker: SchemaMaker, parameter: Parameter) -> Any:
        _, kind = self._annotated[parameter.name]
        if kind is UNRESOLVED:
            raise ConfigurationError(
                f"{self.name}: the annotation of {parameter.name}, {parameter.annotation}, cannot be resolved here: "
                "import it where the function is defined (not under TYPE_CHECKING)"
            )
        try:
            field = maker.make_field(Any if kind is None else kind)
        except ConfigurationError as error:
            raise ConfigurationError(f"{self.name}: {parameter.name}: {error}") from None
        if parameter.kind is Parameter.VAR_POSITIONAL:
            return fields.List(field)
        if parameter.kind is Parameter.VAR_KEYWORD:
            return fields.Dict(keys=fields.String(), values=field)
        field.required = parameter.default is Parameter.empty
        field.allow_none = field.allow_none or parameter.default is None
        return field

    def _dump_one(self, name: str, value: Any) -> Any:
        field = self.schema.fields[name]
        kind = self._annotated[name][1]
        if type(field) is fields.String and not isinstance(value, str | None):
            # marshmallow would write whatever it is, as Python shows it.
            raise InvalidParams(f"{self.name}: {name} is {article(value)}, and no text, as its annotation says")
        try:
            dumped = field.serialize(name, {name: value})
            text = dumps(dumped, allow_nan=False)
        except (ValidationError, *ENCODING_ERRORS) as error:
            advice = (
                "annotate the parameter with its type, or give it something else"
                if kind in (None, Any, object)
                else f"its annotation says {formatannotation(kind)}; give it that, or annotate it as what it is"
            )
            raise InvalidParams(
                f"{self.name}: {name} is {article(value)}, which cannot be written as JSON "
                f"({type(error).__name__}: {error}): {advice}"
            ) from error
        if (changed := find_change(field, value, dumped)) is not None:
            raise InvalidParams(f"{self.name}: {name} is {changed}")
        if not isinstance(dumped, (dict, list, tuple)):
            return dumped
        for key in iter_keys(dumped):
            raise InvalidParams(
                f"{self.name}: {name} has the key {key!r:.50}, which JSON would make a text: annotate the parameter, "
                f"such as dict[{type(key).__qualname__}, ...], or give it texts"
            )
        return loads(text)

    def _name(self, params: Any) -> dict[str, Any]:
        """Return parameters by their names."""
        declared = self.signature.parameters.values()
        if isinstance(params, list):
            places = [each.name for each in declared if each.kind in POSITIONAL]
            rest = next((each.name for each in declared if each.kind is Parameter.VAR_POSITIONAL), None)
            named = dict(zip(places, params, strict=False))
            if len(params) > len(places):
                if rest is None:
                    raise InvalidParams(
                        f"{self.name} takes {len(places)} parameters by position, but got {len(params)}"
                    )
                named[rest] = params[len(places) :]
            return named
        if params is None:
            return {}
        if not isinstance(params, dict):
            raise InvalidParams(f"{self.name} takes parameters by position or by name, but got {type(params).__name__}")
        rest = self._rest
        if rest is None or rest in params:
            return params
        known = self.signature.parameters
        others = {name: value for name, value in params.items() if name not in known}
        return {**{name: value for name, value in params.items() if name in known}, rest: others}


def is_component(kind: Any) -> bool:
    """Return whether an annotation may be that of a graph or a session: one of data, such as `graph: str`, is not."""
    if kind in (None, Any, object, UNRESOLVED):
        return True
    return str(getattr(kind, "__module__", "")).partition(".")[0] in ("microcosm", "sqlalchemy")


def describe(problems: Any) -> str:
    """Return the faults of parameters, for people."""
    if not isinstance(problems, dict):
        return str(problems)
    return "; ".join(
        f"{name}: {' '.join(map(str, said)) if isinstance(said, list) else said}" for name, said in problems.items()
    )
