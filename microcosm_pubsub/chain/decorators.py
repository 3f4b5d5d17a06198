"""
Decorators by which a function describes itself as a link of a chain.

`extracts` names what it returns, `binds` renames keys for it. Both leave the function that they are
given as it is and return another one, so that `extracts("a")(function)` can be written in a chain.
"""

from collections.abc import Callable
from contextlib import suppress
from functools import partial, wraps
from inspect import isfunction
from typing import Any, Final, TypeVar

from microcosm_pubsub.errors import ConfigurationError


Link = TypeVar("Link", bound=Callable[..., Any])

EXTRACTS: Final = "__extracts__"
BINDS: Final = "__binds__"

#: A function so named stores what it returns under the rest of its name.
EXTRACT_PREFIX: Final = "extract_"


def extracts(*names: str) -> Callable[[Link], Link]:
    """
    Store the value of a link in the context.

    :param names: the key of the result, or one key for each of its parts
    :raises ConfigurationError: if there is no name, or one that is not text
    """
    if not names or not all(isinstance(name, str) for name in names):
        raise ConfigurationError(f"extracts{names} must name the keys to store: @extracts('key', ...)")
    return partial(_mark, EXTRACTS, names)


def binds(**names: str) -> Callable[[Link], Link]:
    """
    Rename keys of the context for one link.

    :param names: the parameter's name by the key's: `binds(key="parameter")`
    :raises ConfigurationError: if two keys get one name, or a name is not text
    """
    if len(set(names.values())) < len(names) or not all(isinstance(name, str) for name in names.values()):
        raise ConfigurationError(f"binds(**{names}) must give each key a name of its own")
    return partial(_mark, BINDS, names)


def extracted_names(link: Callable[..., Any]) -> tuple[str, ...]:
    """Return the keys under which a link's result is stored: as declared, or by its name."""
    declared: tuple[str, ...] | None = find_mark(link, EXTRACTS)
    return name_after_extract(link) if declared is None else declared


def name_after_extract(link: Callable[..., Any]) -> tuple[str, ...]:
    """Return the rest of a function's name that begins with `extract_`."""
    while isinstance(link, partial):
        link = link.func
    name = getattr(link, "__name__", "")
    key = name.removeprefix(EXTRACT_PREFIX)
    return (key,) if key and key != name else ()


def bound_names(link: Callable[..., Any]) -> dict[str, str]:
    """Return the new names of keys by the old ones, for a link."""
    return find_mark(link, BINDS) or {}


def find_mark(link: Callable[..., Any], mark: str) -> Any:
    """Return the mark that a decorator has left on a link, or on the function of a `partial`."""
    found = getattr(link, mark, None)
    if found is None and isinstance(link, partial):
        return find_mark(link.func, mark)
    return found


def to_function(link: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that calls a callable; a function is one already."""
    return link if isfunction(link) else wrap(link)


def wrap(link: Callable[..., Any], call: Callable[..., Any] | None = None) -> Callable[..., Any]:
    """
    Return a function that calls a link, and that has the same marks as the link.

    :param call: the function that it calls, if that is another one
    """
    call = link if call is None else call

    @wraps(link, updated=())
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        return call(*args, **kwargs)

    for name in (EXTRACTS, BINDS):
        if (found := find_mark(link, name)) is not None:
            setattr(wrapped, name, found)
    return wrapped


def _mark(mark: str, value: Any, link: Link) -> Link:
    if isinstance(link, type):
        # A class stays a class; its instances are links that carry the mark too. Builtin ones take no marks.
        with suppress(TypeError):
            setattr(link, mark, value)
            return link
    marked = wrap(link)
    setattr(marked, mark, value)
    return marked  # type: ignore[return-value]
