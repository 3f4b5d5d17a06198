"""
The statement that repeats links: `for_each`.

Each iteration runs in a scope of its own, where the item is bound and where what its links extract
stays. What the iterations return becomes a list in the context.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from inspect import signature
from typing import Any

from microcosm_pubsub.chain.chain import Chain
from microcosm_pubsub.chain.context import SafeContext
from microcosm_pubsub.chain.context_decorators import Step, compile_link, describe
from microcosm_pubsub.chain.statements.branch import Question, ask
from microcosm_pubsub.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class ForEach:
    """
    Wait to be told what to repeat, and over what.

    :param item: the key of the item, in the scope of an iteration
    :param items: gives the items
    :param list_key: where the list of what the iterations return is stored
    :param wanted: conditions on the scope of an iteration, before it runs
    :param kept: conditions on what an iteration returned
    """

    item: str
    list_key: str
    items: Step | None = None
    wanted: tuple[Step, ...] = ()
    kept: tuple[Callable[[Any], Any], ...] = ()

    def in_(self, items: Question) -> ForEach:
        """Take the items from a key, or from what a function returns."""
        return replace(self, items=ask(items, f"for_each({self.item!r}).in_"))

    def as_(self, list_key: str) -> ForEach:
        """Store the list under a key other than `<item>_list`."""
        return replace(self, list_key=list_key)

    def when(self, condition: Callable[..., Any]) -> ForEach:
        """
        Leave out some of the items, or some of what the iterations return.

        :param condition: a function that has a parameter named like the item is asked before the
            iteration, its arguments being those of a link; any other one is asked afterwards, and
            gets what the iteration returned as its only argument
        """
        if not callable(condition):
            raise ConfigurationError(f"for_each({self.item!r}).when() takes a function, not {describe(condition)}")
        if self.item in _parameter_names(condition):
            return replace(self, wanted=(*self.wanted, compile_link(condition)))
        return replace(self, kept=(*self.kept, condition))

    def when_not_none(self) -> ForEach:
        """Leave out items that are None, and what the iterations return if it is None."""
        return replace(
            self,
            wanted=(*self.wanted, lambda scope: scope[self.item] is not None),
            kept=(*self.kept, lambda value: value is not None),
        )

    def do(self, *args: Callable[..., Any], **kwargs: Any) -> Loop:
        """
        Run links for each item; they are given as to `Chain.make`.

        :raises ConfigurationError: if it is not yet known where the items are
        """
        if self.items is None:
            raise ConfigurationError(
                f"for_each({self.item!r}) does not know its items: write .in_(key) before .do(...)"
            )
        return Loop(self.item, self.list_key, self.items, self.wanted, self.kept, Chain.make(*args, **kwargs))


@dataclass(frozen=True, slots=True)
class Loop(ForEach):
    """Run a chain for each of some items, and store the list of what it returns."""

    chain: Chain | None = None

    def __call__(self, context: SafeContext) -> list[Any]:
        assert self.items is not None
        assert self.chain is not None
        values = []
        for item in self.items(context):
            scope = context.local(**{self.item: item})
            if all(condition(scope) for condition in self.wanted):
                value = self.chain(scope)
                if all(condition(value) for condition in self.kept):
                    values.append(value)
        context.assign(self.list_key, values)
        return values


def _parameter_names(condition: Callable[..., Any]) -> Iterable[str]:
    try:
        return signature(condition).parameters.keys()
    except ValueError:
        # Some built-in ones, such as bool, do not tell.
        return ()


def for_each(item: str) -> ForEach:
    """Repeat links: `for_each("item").in_("items").do(handle_item).as_("results")`."""
    return ForEach(item, f"{item}_list")
