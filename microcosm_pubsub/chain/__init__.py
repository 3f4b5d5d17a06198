"""
Handlers made of small functions that share a context.

    Chain(extract_customer, when("customer").then(greet))(message=message)

`Chain` runs links, `extracts` and `binds` say what a link stores and under which names it reads,
and the statements make links out of keys and other links.
"""

from microcosm_pubsub.chain.chain import Chain
from microcosm_pubsub.chain.decorators import binds, extracts
from microcosm_pubsub.chain.statements import (
    assign,
    assign_constant,
    assign_function,
    call,
    extract,
    for_each,
    switch,
    try_chain,
    when,
)


__all__ = [
    "Chain",
    "assign",
    "assign_constant",
    "assign_function",
    "binds",
    "call",
    "extract",
    "extracts",
    "for_each",
    "switch",
    "try_chain",
    "when",
]
