"""
Statements that choose what to run: `when` and `switch`.

What they ask for is a key of the context, or a function whose arguments are those of a link. With
nothing to run they return None.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, overload

from microcosm_pubsub.chain.chain import Chain
from microcosm_pubsub.chain.context import SafeContext
from microcosm_pubsub.chain.context_decorators import Step, compile_link, look_up


Question = str | Callable[..., Any]


@dataclass(frozen=True, slots=True)
class When:
    """Run one chain if something is true, and another if it is not."""

    question: Step
    yes: Chain = field(default_factory=Chain)
    no: Chain = field(default_factory=Chain)

    def then(self, *args: Callable[..., Any], **kwargs: Any) -> When:
        """Run links if it is true; they are given as to `Chain.make`."""
        return replace(self, yes=Chain.make(*args, **kwargs))

    def otherwise(self, *args: Callable[..., Any], **kwargs: Any) -> When:
        """Run links if it is not true; they are given as to `Chain.make`."""
        return replace(self, no=Chain.make(*args, **kwargs))

    def __call__(self, context: SafeContext) -> Any:
        return (self.yes if self.question(context) else self.no)(context)


@dataclass(frozen=True, slots=True)
class Switch:
    """Run the chain of the first case that equals a value."""

    question: Step
    cases: tuple[tuple[Any, Chain], ...] = ()
    no_case: Chain = field(default_factory=Chain)

    @overload
    def case(self, value: Any) -> Case: ...

    @overload
    def case(self, value: Any, *args: Callable[..., Any], **kwargs: Any) -> Switch: ...

    def case(self, value: Any, *args: Callable[..., Any], **kwargs: Any) -> Switch | Case:
        """
        Run links if the value equals this one; they are given as to `Chain.make`.

        Without links, they follow as `.case(value).then(...)`.
        """
        if args or kwargs:
            return replace(self, cases=(*self.cases, (value, Chain.make(*args, **kwargs))))
        return Case(self, value)

    def otherwise(self, *args: Callable[..., Any], **kwargs: Any) -> Switch:
        """Run links if no case equals the value; they are given as to `Chain.make`."""
        return replace(self, no_case=Chain.make(*args, **kwargs))

    def __call__(self, context: SafeContext) -> Any:
        answer = self.question(context)
        chain = next((chain for value, chain in self.cases if value == answer), self.no_case)
        return chain(context)


@dataclass(frozen=True, slots=True)
class Case:
    """Wait to be told what to run in one case of a switch."""

    switch: Switch
    value: Any

    def then(self, *args: Callable[..., Any], **kwargs: Any) -> Switch:
        """Run links in this case; they are given as to `Chain.make`."""
        chain = Chain.make(*args, **kwargs)
        return replace(self.switch, cases=(*self.switch.cases, (self.value, chain)))


def when(question: Question) -> When:
    """Choose by truth: `when("customer").then(greet).otherwise(register)`."""
    return When(ask(question, "when"))


def switch(question: Question) -> Switch:
    """Choose by value: `switch("kind").case("a", do_a).case("b").then(do_b).otherwise(do_nothing)`."""
    return Switch(ask(question, "switch"))


def ask(question: Question, statement: str) -> Step:
    """Make a function of a context that gives what a key holds, or what a function returns."""
    if isinstance(question, str):
        return look_up(question, f"{statement}({question!r})")
    return compile_link(question)
