"""
A handler made of small functions.

A chain calls its links one after another. Each takes its arguments by name from a context that all
of them share, and may add to it; a chain is itself a link. Everything that can be known about a
link is found out when the chain is made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from microcosm_pubsub.chain.context import SafeContext
from microcosm_pubsub.chain.context_decorators import (
    ContextDecorator,
    get_from_context,
    save_to_context,
    save_to_context_by_func_name,
    temporarily_replace_context_keys,
)
from microcosm_pubsub.chain.link import Step, compile_link, describe
from microcosm_pubsub.errors import ConfigurationError


DECORATORS: list[ContextDecorator] = [
    get_from_context,
    temporarily_replace_context_keys,
    save_to_context,
    save_to_context_by_func_name,
]


class Chain:
    """
    Call links one after another, each with the keys that it needs of a shared context.

    A subclass may have other `context_decorators`, apply them in another way, or use another type of context.

    :param links: callables: functions, bound methods, classes, partials, statements, chains
    :raises ConfigurationError: if a link cannot be called
    """

    #: Decorators that let a link meet the context, from the inside out.
    context_decorators: Sequence[ContextDecorator] = list(DECORATORS)

    #: Makes the context of a run that is given none.
    new_context_type: Callable[..., dict[str, Any]] = SafeContext

    def __init__(self, *links: Callable[..., Any]) -> None:
        self.links = links
        compiled = tuple(compile_link(link) for link in links)
        self._steps: Sequence[Step] = compiled if self._is_plain() else tuple(map(self._decorating, links))

    @classmethod
    def make(
        cls,
        *args: Callable[..., Any],
        chain: Callable[..., Any] | None = None,
        links: Iterable[Callable[..., Any]] | None = None,
    ) -> Chain:
        """
        Make a chain of links, of a list of them, or take one that exists.

        :raises ConfigurationError: if it is given more than one of these
        """
        if (bool(args), chain is not None, links is not None).count(True) > 1:
            raise ConfigurationError("A chain is made of links, of chain=, or of links=, but of only one")
        if links is not None:
            return cls(*links)
        only = chain if chain is not None else args[0] if len(args) == 1 else None
        if isinstance(only, Chain):
            return only
        return cls(*args) if chain is None else cls(chain)

    def __call__(self, /, context: dict[str, Any] | None = None, **kwargs: Any) -> Any:
        """
        Run the chain.

        :param context: the context to use and to add to; a new one if None
        :param kwargs: keys to add to the context
        :returns: what the last link returned, or None if there is no link
        :raises ContextKeyNotFound: if a link needs a key that is not there
        :raises ValueError: if a key would be overwritten
        """
        if isinstance(context, SafeContext):
            context.update(kwargs)
            return self._run(context)
        own = self.new_context_type()
        own.update(context or {})
        own.update(kwargs)
        try:
            return self._run(own)
        finally:
            if context is not None:
                context.update(own)

    def apply_decorators(self, context: dict[str, Any], link: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function without arguments that runs a link in a context."""
        for decorator in self.context_decorators:
            link = decorator(context, link)
        return link

    def __repr__(self) -> str:
        return f"Chain({', '.join(describe(link) for link in self.links)})"

    def _is_plain(self) -> bool:
        # The class is asked, for a property may need attributes that a subclass has not yet set.
        cls = type(self)
        replaced = cls.context_decorators != DECORATORS or cls.apply_decorators is not APPLY
        return not replaced and vars(self).keys().isdisjoint(("context_decorators", "apply_decorators"))

    def _decorating(self, link: Callable[..., Any]) -> Step:
        return lambda context: self.apply_decorators(context, link)()

    def _run(self, context: dict[str, Any]) -> Any:
        result = None
        for step in self._steps:
            result = step(context)
        return result


APPLY = Chain.apply_decorators
