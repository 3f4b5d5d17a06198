"""
The statement that chooses by truth: `when`. With nothing to run it returns None.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from microcosm_pubsub.chain.chain import Chain
from microcosm_pubsub.chain.link import Context, Question, Step, ask


@dataclass(frozen=True, slots=True)
class WhenStatement:
    """Run one chain if something is true, and another if it is not."""

    question: Step
    yes: Chain = field(default_factory=Chain)
    no: Chain = field(default_factory=Chain)

    def then(self, *args: Callable[..., Any], **kwargs: Any) -> WhenStatement:
        """Run links if it is true; they are given as to `Chain.make`."""
        return replace(self, yes=Chain.make(*args, **kwargs))

    def otherwise(self, *args: Callable[..., Any], **kwargs: Any) -> WhenStatement:
        """Run links if it is not true; they are given as to `Chain.make`."""
        return replace(self, no=Chain.make(*args, **kwargs))

    def __call__(self, context: Context) -> Any:
        return (self.yes if self.question(context) else self.no)(context)


def when(question: Question) -> WhenStatement:
    """Choose by truth: `when("customer").then(greet).otherwise(register)`."""
    return WhenStatement(ask(question, "when"))
