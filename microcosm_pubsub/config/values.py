"""
The types of configuration values, and the choice of a class by its name.

Most functions give a converter for `microcosm.api.typed`. A converter takes what a loader read (text,
from the environment) or what a caller gave, and returns the value or refuses it with a
`ConfigurationError` that names the key, the value and what would be accepted.
"""

from collections.abc import Callable
from typing import Any, TypeVar

from microcosm_pubsub.errors import ConfigurationError


C = TypeVar("C")
T = TypeVar("T", int, float)

TRUE = frozenset({"1", "on", "t", "true", "y", "yes"})
FALSE = frozenset({"", "0", "f", "false", "n", "no", "off"})


def integer(key: str, minimum: int | None = None, maximum: int | None = None) -> Callable[[Any], int]:
    """Accept whole numbers from `minimum` to `maximum`, both included."""

    def convert(value: Any) -> int:
        if isinstance(value, int) and not isinstance(value, bool):
            return _within(key, value, minimum, maximum)
        try:
            return _within(key, int(str(value)), minimum, maximum)
        except ValueError:
            raise _refuse(key, value, "a whole number") from None

    return convert


def number(key: str, minimum: float | None = None, maximum: float | None = None) -> Callable[[Any], float]:
    """Accept finite numbers from `minimum` to `maximum`, both included."""

    def convert(value: Any) -> float:
        try:
            result = float(str(value))
        except ValueError:
            raise _refuse(key, value, "a number") from None
        if result != result or result in (float("inf"), float("-inf")):
            raise _refuse(key, value, "a finite number")
        return _within(key, result, minimum, maximum)

    return convert


def boolean(key: str) -> Callable[[Any], bool]:
    """Accept true and false, also as text."""

    def convert(value: Any) -> bool:
        if isinstance(value, bool):
            return value
        text = str(value).strip().lower()
        if text in TRUE:
            return True
        if text in FALSE:
            return False
        raise _refuse(key, value, "true or false")

    return convert


def text(key: str) -> Callable[[Any], str]:
    """Accept text."""

    def convert(value: Any) -> str:
        if not isinstance(value, str):
            raise _refuse(key, value, "text")
        return value

    return convert


def choice(key: str, *choices: str) -> Callable[[Any], str]:
    """Accept one of a few texts, in upper or lower case, and return it as it stands in `choices`."""
    by_name = {choice.lower(): choice for choice in choices}

    def convert(value: Any) -> str:
        if str(value).lower() not in by_name:
            raise _refuse(key, value, f"one of {', '.join(choices)}")
        return by_name[str(value).lower()]

    return convert


def names(key: str) -> Callable[[Any], list[str]]:
    """Accept a list of names, also as text separated by commas."""

    def convert(value: Any) -> list[str]:
        if isinstance(value, str):
            return [name.strip() for name in value.split(",") if name.strip()]
        if isinstance(value, (list, tuple)) and all(isinstance(name, str) for name in value):
            return list(value)
        raise _refuse(key, value, "a list of names, or names separated by commas")

    return convert


def parts(key: str) -> Callable[[Any], list[Any]]:
    """Accept a list of binding names and of callables; names also as text separated by commas."""
    accept_names = names(key)

    def convert(value: Any) -> list[Any]:
        if isinstance(value, str):
            return accept_names(value)
        if isinstance(value, (list, tuple)) and all(isinstance(part, str) or callable(part) for part in value):
            return list(value)
        raise _refuse(key, value, "a list of binding names or callables, or names separated by commas")

    return convert


def choose_subclass(base: type[C], name: str, what: str) -> type[C]:
    """
    Return the subclass of `base`, at any depth, that has a name.

    :param what: the kind of thing that is named, for the error's text
    :raises ConfigurationError: if there is none
    """
    known = {cls.__name__: cls for cls in _subclasses(base)}
    if name not in known:
        raise ConfigurationError(
            f"Unknown {what} {name!r}; choose one of {', '.join(sorted(known))}, or import the module that "
            "defines yours"
        )
    return known[name]


def _subclasses(cls: type[C]) -> list[type[C]]:
    return [found for child in cls.__subclasses__() for found in (child, *_subclasses(child))]


def _within(key: str, value: T, minimum: T | None, maximum: T | None) -> T:
    if minimum is not None and value < minimum:
        raise _refuse(key, value, f"at least {minimum}")
    if maximum is not None and value > maximum:
        raise _refuse(key, value, f"at most {maximum}")
    return value


def _refuse(key: str, value: Any, expected: str) -> ConfigurationError:
    return ConfigurationError(f"Configuration {key} is {value!r}, but must be {expected}")
