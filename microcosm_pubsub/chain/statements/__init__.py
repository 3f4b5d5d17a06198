"""
Links made of keys and of other links.

A statement is written like a sentence and is a link when the sentence is complete: `assign("a")`
is none, `assign("a").to("b")` is one. Each word returns a new object, so that a statement may be
shared and continued in two ways.
"""

from microcosm_pubsub.chain.statements.assign import assign, assign_constant, assign_function, extract
from microcosm_pubsub.chain.statements.call import call
from microcosm_pubsub.chain.statements.for_each import for_each
from microcosm_pubsub.chain.statements.switch import switch
from microcosm_pubsub.chain.statements.try_chain import try_chain
from microcosm_pubsub.chain.statements.when import when


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
