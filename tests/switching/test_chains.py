"""
Handlers that are chains, as users of version 3 have them: with statements and chains of their own.
"""

from types import SimpleNamespace

import pytest
from hamcrest import assert_that, calling, contains_exactly, equal_to, has_entries, is_, raises, starts_with
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
from microcosm_pubsub.chain.context_decorators import (
    get_from_context,
    get_positional_args,
    save_to_context,
    save_to_context_by_func_name,
    temporarily_replace_context_keys,
)
from microcosm_pubsub.chain.decorators import to_function
from microcosm_pubsub.chain.exceptions import AttributeNotFound, ContextKeyNotFound
from microcosm_pubsub.chain.statements.assign import AssignStatement, Constant, Function, Reference
from microcosm_pubsub.chain.statements.call import LocalCallWrapper
from microcosm_pubsub.chain.statements.case import CaseStatement
from microcosm_pubsub.chain.statements.for_each import ForEachStatement, not_none
from microcosm_pubsub.chain.statements.switch import SwitchStatement
from microcosm_pubsub.chain.statements.try_chain import TryChainStatement
from microcosm_pubsub.chain.statements.when import WhenStatement
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

    def test_own_application(self):
        class Doubling(Chain):
            def apply_decorators(self, context, link):
                decorated = super().apply_decorators(context, link)
                return lambda: decorated() * 2

        assert Doubling(lambda: 4)() == 8

    def test_own_context(self):
        class Context(SafeContext):
            pass

        class InContext(Chain):
            @property
            def new_context_type(self):
                return Context

        assert type(InContext(lambda context: context)(a=1)) is Context


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

    def test_decorators(self):
        context = {"arg": 200}

        assert get_positional_args(lambda arg, other=None: None) == ["arg", "other"]
        assert get_from_context(context, lambda arg: arg)() == 200
        save_to_context(context, extracts("saved")(lambda: 1))()

        def extract_named():
            return 2

        save_to_context_by_func_name(context, extract_named)()
        renamed = binds(arg="param")(lambda param: param)
        assert temporarily_replace_context_keys(context, get_from_context(context, renamed))() == 200
        assert context == {"arg": 200, "saved": 1, "named": 2}

    def test_to_function(self):
        assert to_function(dict)() == {}
        assert to_function(Increment("a"))(SafeContext(a=1)) == 2


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
        assert Chain(dict)(a=1) == {}
        assert Chain(assign_function(int).to("zero"), lambda zero: zero)() == 0
        assert_that(calling(Chain(assign_function(max).to("most"))).with_args(), raises(TypeError))

    def test_classes(self):
        context = SafeContext(a=1)

        AssignStatement(Constant(2), "b")(context)
        AssignStatement(Function(lambda a, b: a + b)).to("c")(context)
        assert context == {"a": 1, "b": 2, "c": 3}
        assert isinstance(assign("a"), AssignStatement)
        assert isinstance(call(dict), LocalCallWrapper)
        assert isinstance(switch("a"), SwitchStatement)
        assert isinstance(switch("a").case(1), CaseStatement)
        assert isinstance(for_each("a").in_("b").do(dict), ForEachStatement)
        assert isinstance(try_chain(dict), TryChainStatement)
        assert isinstance(when("a"), WhenStatement)
        assert_that(list(filter(not_none, [0, None])), contains_exactly(0))
