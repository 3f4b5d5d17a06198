"""
Links made of keys and of other links.

A statement is written like a sentence and is a link when the sentence is complete: `assign("a")`
is none, `assign("a").to("b")` is one. Each word returns a new object, so that a statement may be
shared and continued in two ways.
"""

from microcosm_pubsub.chain.statements.assignment import assign, assign_constant, assign_function, extract
from microcosm_pubsub.chain.statements.attempt import try_chain
from microcosm_pubsub.chain.statements.branch import switch, when
from microcosm_pubsub.chain.statements.invocation import call
from microcosm_pubsub.chain.statements.loop import for_each


__all__ = [
    "assign",
    "assign_constant",
    "assign_function",
    "call",
    "extract",
    "for_each",
    "switch",
    "try_chain",
    "when",
]
