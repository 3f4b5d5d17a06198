"""
One case of a `switch`, before it is known what to run.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any


if TYPE_CHECKING:
    from microcosm_pubsub.chain.statements.switch import SwitchStatement


@dataclass(frozen=True, slots=True)
class CaseStatement:
    """Wait for the links to run in one case of a switch."""

    switch: SwitchStatement
    value: Any

    def then(self, *args: Callable[..., Any], **kwargs: Any) -> SwitchStatement:
        """Run links in this case; they are given as to `Chain.make`."""
        return self.switch.add(self.value, *args, **kwargs)
