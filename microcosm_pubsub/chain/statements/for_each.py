"""
The statement that repeats links: `for_each`.

Each iteration runs in a scope of its own, where the item is bound and where what its links extract stays. The values
that the iterations return become a list in the context.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from microcosm_pubsub.chain.chain import Chain
from microcosm_pubsub.chain.context import ScopedSafeContext
from microcosm_pubsub.chain.link import Context, Question, Statement, Step, ask, compile_link, describe, parameters_of
from microcosm_pubsub.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class ForEachStatement(Statement):
    """
    Run a chain for each of some items, and store the list of its values.

    :param item: the key of the item, in the scope of an iteration
    :param items: gives the items
    :param list_key: where the list of what the iterations return is stored
    :param wanted: conditions on the scope of an iteration, before it runs
    :param kept: conditions on what an iteration returned
    :param chain: the chain that is run; None until `do` gives it
    """

    item: str
    list_key: str
    items: Step | None = None
    wanted: tuple[Step, ...] = ()
    kept: tuple[Callable[[Any], Any], ...] = ()
    chain: Chain | None = None

    def in_(self, items: Question) -> ForEachStatement:
        """Take the items from a key, or from a function."""
        return replace(self, items=ask(items, f"for_each({self.item!r}).in_"))

    def as_(self, list_key: str) -> ForEachStatement:
        """Store the list under a key other than `<item>_list`."""
        return replace(self, list_key=list_key)

    def when(self, condition: Callable[..., Any]) -> ForEachStatement:
        """
        Leave out some of the items, or some of the iterations' values.

        :param condition: a function that has a parameter named like the item is asked before the
            iteration, its arguments being those of a link; any other one is asked afterwards, and
            gets what the iteration returned as its only argument
        """
        if not callable(condition):
            raise ConfigurationError(f"for_each({self.item!r}).when() takes a function, not {describe(condition)}")
        if self.item in parameters_of(condition):
            return replace(self, wanted=(*self.wanted, compile_link(condition)))
        return replace(self, kept=(*self.kept, condition))

    def when_not_none(self) -> ForEachStatement:
        """Leave out items that are None, and values of iterations that are None."""
        return replace(
            self,
            wanted=(*self.wanted, lambda scope: not_none(scope[self.item])),
            kept=(*self.kept, not_none),
        )

    def do(self, *args: Callable[..., Any], **kwargs: Any) -> ForEachStatement:
        """
        Run links for each item; they are given as to `Chain.make`.

        :raises ConfigurationError: if it is not yet known where the items are
        """
        if self.items is None:
            raise ConfigurationError(
                f"for_each({self.item!r}) does not know its items: write .in_(key) before .do(...)"
            )
        return replace(self, chain=Chain.make(*args, **kwargs))

    @property
    def is_complete(self) -> bool:
        """Return whether the chain to run is known."""
        return self.chain is not None

    def __call__(self, context: Context) -> list[Any]:
        assert self.items is not None
        assert self.chain is not None
        values = []
        for item in self.items(context):
            scope = ScopedSafeContext(context, **{self.item: item})
            if all(condition(scope) for condition in self.wanted):
                value = self.chain(scope)
                if all(condition(value) for condition in self.kept):
                    values.append(value)
        context[self.list_key] = values
        return values


def not_none(value: Any) -> bool:
    """Return whether there is a value."""
    return value is not None


def for_each(item: str) -> ForEachStatement:
    """Repeat links: `for_each("item").in_("items").do(handle_item).as_("results")`."""
    return ForEachStatement(item, f"{item}_list")
