"""
The statement that chooses by value: `switch`. With nothing to run it returns None.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, overload

from microcosm_pubsub.chain.chain import Chain
from microcosm_pubsub.chain.link import Context, Question, Step, ask
from microcosm_pubsub.chain.statements.case import CaseStatement


@dataclass(frozen=True, slots=True)
class SwitchStatement:
    """Run the chain of the first case that equals a value."""

    question: Step
    cases: tuple[tuple[Any, Chain], ...] = ()
    no_case: Chain = field(default_factory=Chain)

    @overload
    def case(self, value: Any) -> CaseStatement: ...

    @overload
    def case(self, value: Any, *args: Callable[..., Any], **kwargs: Any) -> SwitchStatement: ...

    def case(self, value: Any, *args: Callable[..., Any], **kwargs: Any) -> SwitchStatement | CaseStatement:
        """
        Run links if the value equals this one; they are given as to `Chain.make`.

        Without links, they follow as `.case(value).then(...)`.
        """
        if args or kwargs:
            return self.add(value, *args, **kwargs)
        return CaseStatement(self, value)

    def add(self, value: Any, *args: Callable[..., Any], **kwargs: Any) -> SwitchStatement:
        """Run links if the value equals this one; none is a chain that does nothing."""
        return replace(self, cases=(*self.cases, (value, Chain.make(*args, **kwargs))))

    def otherwise(self, *args: Callable[..., Any], **kwargs: Any) -> SwitchStatement:
        """Run links if no case equals the value; they are given as to `Chain.make`."""
        return replace(self, no_case=Chain.make(*args, **kwargs))

    def __call__(self, context: Context) -> Any:
        answer = self.question(context)
        chain = next((chain for value, chain in self.cases if value == answer), self.no_case)
        return chain(context)


def switch(question: Question) -> SwitchStatement:
    """Choose by value: `switch("kind").case("a", do_a).case("b").then(do_b).otherwise(do_nothing)`."""
    return SwitchStatement(ask(question, "switch"))
