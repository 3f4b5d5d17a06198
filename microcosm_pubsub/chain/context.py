"""
The context that the links of a chain share.

A context is a dict that refuses to overwrite a key, so that a link never changes what an earlier
one has found. Its keys are its attributes too, and it names itself `context`, which is not one of its items. A local
scope sees what the context holds when the scope is opened, and keeps what is added to it for itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Final


#: The key under which a context finds itself.
CONTEXT: Final = "context"


class SafeContext(dict[str, Any]):
    """
    Hold keys that are never overwritten.

    :raises ValueError: if a key is given twice
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()
        self.update(*args, **kwargs)

    def __missing__(self, key: str) -> Any:
        if key == CONTEXT:
            return self
        raise KeyError(key)

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"The context holds no {name!r}", name=name, obj=self) from None

    def __contains__(self, key: object) -> bool:
        return key == CONTEXT or super().__contains__(key)

    def __setitem__(self, key: str, value: Any) -> None:
        if key in self:
            raise ValueError(f"The context already holds {key!r}, and its keys are never overwritten")
        super().__setitem__(key, value)

    def __ior__(self, other: Any) -> SafeContext:  # type: ignore[override,misc]
        self.update(other)
        return self

    def get(self, key: str, default: Any = None) -> Any:
        """Return the value of a key, or the default."""
        return self if key == CONTEXT else super().get(key, default)

    def setdefault(self, key: str, default: Any = None) -> Any:
        """Return the value of a key, after adding it if it was not there."""
        if key not in self:
            self[key] = default
        return self[key]

    def update(self, *args: Any, **kwargs: Any) -> None:
        """
        Add keys.

        :raises ValueError: if the context already holds one of them
        """
        for added in (dict(*args), kwargs):
            for key, value in added.items():
                self[key] = value

    def assign(self, key: str, value: Any) -> None:
        """
        Add a key.

        :raises ValueError: if the context already holds it
        """
        self[key] = value

    def local(self, **kwargs: Any) -> ScopedSafeContext:
        """
        Open a scope that holds the keys of this context, and more.

        :param kwargs: keys of the scope, which hide keys of the same name here
        :returns: a context of its own, which is also a context manager that empties itself at its end
        :raises ValueError: if one of the keys is `context`
        """
        return ScopedSafeContext(self, **kwargs)


class ScopedSafeContext(SafeContext):
    """
    Hold keys for the length of a block, and none of them afterwards.

    :param parent: the surroundings that the scope sees; keys of its own hide those of the same name
    """

    def __init__(self, parent: Mapping[str, Any] | None = None, /, **kwargs: Any) -> None:
        super().__init__(kwargs)
        for key in () if parent is None else parent.keys() - self.keys():
            self[key] = parent[key]  # type: ignore[index]

    def __enter__(self) -> ScopedSafeContext:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.clear()


@contextmanager
def renamed(context: dict[str, Any], names: Mapping[str, str]) -> Iterator[None]:
    """
    Rename keys of a context for the length of a block.

    Keys that the context does not hold are left out; a key that has one of the new names is
    hidden meanwhile.

    :param names: new names by old ones
    :raises ValueError: at the end of the block, if it has added a key under a name that was renamed
    """
    values = {new: context[old] for old, new in names.items() if old in context}
    touched = {*names, *values} & context.keys()
    hidden = {key: context.pop(key) for key in touched}
    # Go past the check for existing keys: the key `context` may be one of the new names.
    dict.update(context, values)
    try:
        yield
    finally:
        for new in values:
            context.pop(new, None)
        lost = hidden.keys() & context.keys()
        dict.update(context, hidden)
    if lost:
        raise ValueError(f"The context already holds {sorted(lost)}, and its keys are never overwritten")
