"""
Handlers that are chains, as users of version 3 have them: with statements and chains of their own.
"""

from types import SimpleNamespace

import pytest
from hamcrest import assert_that, calling, equal_to, has_entries, is_, raises, starts_with
from microcosm.api import binding, create_object_graph

from microcosm_pubsub.chain import (
    Chain,
    assign,
    assign_constant,
    assign_function,
    binds,
    call,
    extract,
    extracts,
    for_each,
    switch,
    try_chain,
    when,
)
from microcosm_pubsub.chain.context import CONTEXT, SafeContext, ScopedSafeContext
from microcosm_pubsub.chain.exceptions import AttributeNotFound, ContextKeyNotFound
from microcosm_pubsub.chain.statements.assign import AssignStatement, Constant, Function, Reference
from microcosm_pubsub.conventions import created
from microcosm_pubsub.decorators import handles
from microcosm_pubsub.errors import SkipMessage
from microcosm_pubsub.handlers import ChainHandler


class Increment:
    """A statement of one's own: a callable that takes the context."""

    def __init__(self, key):
        self.key = key
        self.amount = 1

    def by(self, amount):
        self.amount = amount
        return self

    def __call__(self, context):
        value = context[self.key] + self.amount
        context.assign(f"{self.key}_incremented", value)
        return value


class TracingChain(Chain):
    """A chain that writes down what its links return."""

    trace = []

    @property
    def context_decorators(self):
        return [*super().context_decorators, self.write_down]

    def write_down(self, context, func):
        def decorated(*args, **kwargs):
            result = func(*args, **kwargs)
            self.trace.append(result)
            return result

        return decorated


@binding("switching_chain_handler")
@handles(created("switching_order"))
class SwitchingChainHandler(ChainHandler):
    def get_chain(self):
        return Chain(
            assign("message.uri").to("uri"),
            extract("items", "message", "lines"),
            self.extract_customer,
            when(lambda customer: customer is None).then(self.skip),
            for_each("item").in_("items").do(binds(item="line")(self.price)),
            assign_function(self.total).to("total"),
            Increment("total").by(10),
            switch("customer").case("known", assign_constant(0).to("fee")).otherwise(assign_constant(5).to("fee")),
            try_chain(self.fail).catch(KeyError, lambda: None).otherwise(lambda: None),
            call(self.store).with_args(total="total_incremented", paid=True).as_("stored"),
            self.note,
        )

    def extract_customer(self, message):
        return message["customer"]

    def skip(self):
        raise SkipMessage("nobody")

    def price(self, line):
        return line * 2

    def total(self, item_list):
        return sum(item_list)

    def fail(self):
        raise KeyError("fails")

    @extracts("kept", "was_paid")
    def store(self, total, paid):
        return total, paid

    def note(self, context):
        self.noted = dict(context)


MESSAGE = {"uri": "u", "lines": [1, 2], "customer": "known"}


class TestHandlers:
    @pytest.fixture
    def handler(self):
        return SwitchingChainHandler(create_object_graph("example", testing=True))

    def test_its_context(self, handler):
        assert handler(MESSAGE) is True
        assert_that(
            handler.noted,
            has_entries(uri="u", item_list=[2, 4], total=6, total_incremented=16, fee=0, stored=(16, True)),
        )

    def test_skips(self, handler):
        assert_that(calling(handler).with_args({**MESSAGE, "customer": None}), raises(SkipMessage))

    def test_own_decorators(self):
        chain = TracingChain(lambda: 1, extracts("a")(lambda: 2), lambda a: a + 1)

        assert chain() == 3
        assert TracingChain.trace == [1, 2, 3]


class TestContexts:
    def test_attributes(self):
        context = SafeContext(arg=1)

        assert_that(context.arg, is_(equal_to(context["arg"])))
        assert_that(calling(getattr).with_args(context, "other"), raises(AttributeError))
        with context.local(more=2) as scope:
            assert isinstance(scope, ScopedSafeContext)
            assert (scope.arg, scope.more) == (1, 2)
        assert not hasattr(context, "more")
        assert context[CONTEXT] is context


class TestStatements:
    def test_paths(self):
        context = SafeContext(arg={"name": "n"}, thing=SimpleNamespace(name="t"))

        assert Reference("arg.name")(context) == "n"
        assert Reference("thing.name")(context) == "t"
        assert_that(Chain(assign("arg.__class__").to("c"), lambda c: c)(arg={}), is_(equal_to(dict)))
        with pytest.raises(AttributeNotFound) as caught:
            Reference("arg.other")(context)
        assert_that(str(caught.value), starts_with("Failed to find attribute `other` on `arg`"))
        assert_that(calling(Reference("none")).with_args(context), raises(ContextKeyNotFound))

    def test_builtins(self):
        assert Chain(assign_function(int).to("zero"), lambda zero: zero)() == 0
        assert_that(calling(Chain(assign_function(max).to("most"))).with_args(), raises(TypeError))

    def test_each_is_made_of_parts(self):
        context = SafeContext(a=1)

        AssignStatement(Constant(2), "b")(context)
        AssignStatement(Function(lambda a, b: a + b)).to("c")(context)
        assert context == {"a": 1, "b": 2, "c": 3}
