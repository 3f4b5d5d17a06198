"""
The arguments of a function as JSON, by its annotations.

    def resize(image_id: UUID, *, width: int = 100, logger: Logger): ...

Parameters whose annotation says that they are part of where the function runs, as `logger` is here, are given to it
there, and never travel.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from inspect import Parameter, formatannotation
from json import dumps, loads
from typing import Any

from marshmallow import RAISE, Schema, ValidationError, fields

from microcosm_pubsub.calls.declared import POSITIONAL, Declared
from microcosm_pubsub.calls.errors import InvalidParams
from microcosm_pubsub.calls.loss import describe_loss, iter_keys
from microcosm_pubsub.codecs.codec import ENCODING_ERRORS
from microcosm_pubsub.config.cached import cached_property
from microcosm_pubsub.errors import ConfigurationError, article
from microcosm_pubsub.fast.loader import Loader
from microcosm_pubsub.payloads.annotation import SchemaMaker
from microcosm_pubsub.registry.signature import UNRESOLVED


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
        self.declared = Declared(function, skip, own_type, own_name)
        self.name = self.declared.name

    @cached_property
    def schema(self) -> Schema:
        """
        Return the schema that reads and writes the arguments by name.

        :raises ConfigurationError: if nothing is known that JSON could say of an annotation
        """
        self.declared.check()
        maker = SchemaMaker()
        taken = self.declared.signature.parameters
        made = {name: self._make_field(maker, parameter) for name, parameter in taken.items()}
        return Schema.from_dict(made, name=self.name)(unknown=RAISE)

    def dump(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """
        Return arguments as JSON can say them, by name.

        :raises InvalidParams: if they do not fit the function, or JSON cannot say one
        """
        try:
            arguments = self.declared.signature.bind(*args, **kwargs).arguments
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
        by_name = params if type(params) is dict and self.declared.rest is None else self._name(params)
        try:
            # The quick loader leaves out names that it does not know, and here such a name is a mistake.
            known = by_name.keys() <= self._names
            loaded = self._loader.load(by_name) if known else self.schema.load(by_name)
        except ValidationError as error:
            raise InvalidParams(f"{self.name}: {describe(error.messages)}") from error
        except ENCODING_ERRORS as error:
            raise InvalidParams(f"{self.name}: {type(error).__name__}: {error}") from error
        if self.declared.is_plain:
            return (), loaded
        if twice := sorted(self.declared.keywords & loaded.get(self.declared.rest, {}).keys()):
            raise InvalidParams(f"{self.name}: {', '.join(twice)}: the function is given this otherwise")
        return self.declared.arrange(loaded)

    # Internals.

    @cached_property
    def _loader(self) -> Loader:
        return Loader(self.schema)

    @cached_property
    def _names(self) -> frozenset[str]:
        return frozenset(self.schema.fields)

    def _make_field(self, maker: SchemaMaker, parameter: Parameter) -> Any:
        _, kind = self.declared.annotated[parameter.name]
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
        kind = self.declared.annotated[name][1]
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
        if (lost := describe_loss(field, value, dumped)) is not None:
            raise InvalidParams(f"{self.name}: {name} is {lost}")
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
        declared = self.declared.signature.parameters.values()
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
        rest = self.declared.rest
        if rest is None or rest in params:
            return params
        known = self.declared.signature.parameters
        others = {name: value for name, value in params.items() if name not in known}
        return {**{name: value for name, value in params.items() if name in known}, rest: others}


def describe(problems: Any) -> str:
    """Return the faults of parameters, for people."""
    if not isinstance(problems, dict):
        return str(problems)
    return "; ".join(
        f"{name}: {' '.join(map(str, said)) if isinstance(said, list) else said}" for name, said in problems.items()
    )
