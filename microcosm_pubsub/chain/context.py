"""
What the links of a chain share.

A context is a dict that refuses to overwrite a key, so that a link never changes what an earlier
one has found. It names itself `context`; that key is not one of its items. A local scope sees what
the context holds when the scope is opened, and keeps what is added to it for itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Final


#: The key under which a context finds itself.
CONTEXT_KEY: Final = "context"


class SafeContext(dict[str, Any]):
    """
    Hold keys that are never overwritten.

    :raises ValueError: if a key is given twice
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()
        self.update(*args, **kwargs)

    def __missing__(self, key: str) -> Any:
        if key == CONTEXT_KEY:
            return self
        raise KeyError(key)

    def __contains__(self, key: object) -> bool:
        return key == CONTEXT_KEY or super().__contains__(key)

    def __setitem__(self, key: str, value: Any) -> None:
        if key in self:
            raise ValueError(f"The context already holds {key!r}, and its keys are never overwritten")
        super().__setitem__(key, value)

    def __ior__(self, other: Any) -> SafeContext:  # type: ignore[override,misc]
        self.update(other)
        return self

    def get(self, key: str, default: Any = None) -> Any:
        """Return the value of a key, or the default."""
        return self if key == CONTEXT_KEY else super().get(key, default)

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
        Open a scope that holds what this context holds, and more.

        :param kwargs: keys of the scope, which hide keys of the same name here
        :returns: a context of its own, which is also a context manager that empties itself at its end
        :raises ValueError: if one of the keys is `context`
        """
        scope = ScopedSafeContext(kwargs)
        for key in self.keys() - scope.keys():
            scope[key] = self[key]
        return scope

    @contextmanager
    def renamed(self, names: Mapping[str, str]) -> Iterator[SafeContext]:
        """
        Rename keys for the length of a block.

        Keys that the context does not hold are left out; a key that has one of the new names is
        hidden meanwhile.

        :param names: new names by old ones
        :raises ValueError: at the end of the block, if it has added a key under a name that was renamed
        """
        values = {new: self[old] for old, new in names.items() if old in self}
        touched = {*names, *values} & self.keys()
        hidden = {key: super(SafeContext, self).pop(key) for key in touched}
        super().update(values)
        try:
            yield self
        finally:
            for new in values:
                super().pop(new, None)
            lost = hidden.keys() & self.keys()
            super().update(hidden)
        if lost:
            raise ValueError(f"The context already holds {sorted(lost)}, and its keys are never overwritten")


class ScopedSafeContext(SafeContext):
    """Hold keys for the length of a block, and none of them afterwards."""

    def __enter__(self) -> ScopedSafeContext:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.clear()
