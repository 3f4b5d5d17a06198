"""
Chains with statements and decorators of their own, as users of version 3 have them.
"""

from dataclasses import dataclass

import pytest

from microcosm_pubsub.chain import Chain, extracts
from microcosm_pubsub.chain.context import CONTEXT, SafeContext
from microcosm_pubsub.chain.context_decorators import (
    get_from_context,
    get_positional_args,
    save_to_context,
    save_to_context_by_func_name,
    temporarily_replace_context_keys,
)
from microcosm_pubsub.chain.decorators import binds, to_function
from microcosm_pubsub.chain.statements import assign, call, for_each, switch, try_chain, when
from microcosm_pubsub.chain.statements.assign import AssignStatement, Constant, Function, Reference
from microcosm_pubsub.chain.statements.call import LocalCallWrapper
from microcosm_pubsub.chain.statements.case import CaseStatement
from microcosm_pubsub.chain.statements.for_each import ForEachStatement, not_none
from microcosm_pubsub.chain.statements.switch import SwitchStatement
from microcosm_pubsub.chain.statements.try_chain import TryChainStatement
from microcosm_pubsub.chain.statements.when import WhenStatement


@dataclass
class Increment:
    """A statement of the user's own: anything that is called with the context."""

    key: str

    def __call__(self, context):
        context[f"{self.key}_next"] = context[self.key] + 1
        return context[f"{self.key}_next"]


def test_a_statement_of_ones_own():
    assert Chain(Increment("x"), lambda x_next: x_next * 10)(x=1) == 20


def test_statements_are_what_their_names_say():
    assert isinstance(assign("a").to("b"), AssignStatement)
    assert isinstance(when("a").then(int), WhenStatement)
    assert isinstance(switch("a").case(1, int), SwitchStatement)
    assert isinstance(switch("a").case(1), CaseStatement)
    assert isinstance(for_each("a").in_("as").do(int), ForEachStatement)
    assert isinstance(try_chain(int), TryChainStatement)
    assert isinstance(call(int), LocalCallWrapper)
    assert (not_none(0), not_none(None)) == (True, False)


def test_what_statements_are_made_of():
    context = SafeContext(a={"b": 1})

    assert Reference("a.b")(context) == 1
    assert Constant(2)(context) == 2
    assert Function(lambda a: a["b"] + 2)(context) == 3
    assert context[CONTEXT] is context


def test_each_decorator():
    context = SafeContext(x=1)

    @extracts("doubled")
    def double(x):
        return 2 * x

    def extract_tripled(x):
        return 3 * x

    @binds(x="y")
    def negate(y):
        return -y

    assert get_positional_args(double) == ["x"]
    assert save_to_context(context, get_from_context(context, double))() == 2
    assert save_to_context_by_func_name(context, get_from_context(context, extract_tripled))() == 3
    assert temporarily_replace_context_keys(context, get_from_context(context, negate))() == -1
    assert (context.doubled, context.tripled, context.x) == (2, 3, 1)


def test_a_chain_with_decorators_of_its_own():
    log = []

    def logging(context, func):
        def run():
            log.append(func.__name__)
            return func()

        return run

    class LoggingChain(Chain):
        context_decorators = [*Chain.context_decorators, logging]

    def first(x):
        return x

    @extracts("second")
    def second(x):
        return x + 1

    assert LoggingChain(first, second, lambda second: second)(x=1) == 2
    assert log == ["first", "second", "<lambda>"]


def test_a_chain_with_a_context_of_its_own():
    class Defaulting(SafeContext):
        def __missing__(self, key):
            return f"no {key}"

    class DefaultingChain(Chain):
        new_context_type = Defaulting

    assert DefaultingChain(lambda a, b: (a, b))(a=1) == (1, "no b")


def test_a_chain_that_applies_them_in_another_way():
    class Counting(Chain):
        count = 0

        def apply_decorators(self, context, link):
            Counting.count += 1
            return super().apply_decorators(context, link)

    assert Counting(lambda x: x, lambda x: x + 1)(x=1) == 2
    assert Counting.count == 2


def test_to_function():
    class Handler:
        def __call__(self, x):
            return x

    assert to_function(Handler())(3) == 3
    assert to_function(test_to_function) is test_to_function


@pytest.mark.parametrize("builtin", [dict, int])
def test_builtins(builtin):
    assert Chain(builtin)(x=1) == builtin()
