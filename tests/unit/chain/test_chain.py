"""
Chains: their links, what they get, and what they leave.
"""

import inspect
from functools import partial

import pytest

from microcosm_pubsub.chain import Chain, assign_constant, binds, context_decorators, extracts
from microcosm_pubsub.chain import link as compiled
from microcosm_pubsub.chain.context import SafeContext
from microcosm_pubsub.chain.decorators import to_function
from microcosm_pubsub.chain.exceptions import ChainError, ContextKeyNotFound
from microcosm_pubsub.errors import ConfigurationError


class Greeter:
    def __init__(self, name):
        self.name = name

    def greet(self, greeting):
        return f"{greeting}, {self.name}"

    @extracts("greeted")
    def greet_and_tell(self, greeting):
        return self.greet(greeting)

    def extract_length(self):
        return len(self.name)

    def __call__(self, greeting="hello"):
        return self.greet(greeting)

    @staticmethod
    def static(name):
        return name


def positional_only(name, /, greeting):
    return f"{greeting}, {name}"


def keyword_only(*, name, greeting="hello"):
    return f"{greeting}, {name}"


LINKS = {
    "function": (lambda name, greeting: f"{greeting}, {name}", "hi, world"),
    "positional only": (positional_only, "hi, world"),
    "keyword only": (keyword_only, "hi, world"),
    "default not needed": (lambda name="x": name, "world"),
    "default": (lambda title="Dr": title, "Dr"),
    "None as default": (lambda title=None: title, None),
    "no arguments": (lambda: 1, 1),
    "star arguments get nothing": (lambda *args, **kwargs: (args, kwargs), ((), {})),
    "bound method": (Greeter("you").greet, "hi, you"),
    "static method": (Greeter.static, "world"),
    "callable object": (Greeter("you"), "hi, you"),
    "partial": (partial(positional_only, "them"), "hi, them"),
    "partial keeps its keywords": (partial(keyword_only, name="them"), "hi, them"),
    "marked partial keeps its keywords": (extracts("a")(partial(keyword_only, name="them")), "hi, them"),
    "class": (lambda name: Greeter(name).name, "world"),
    "chain": (Chain(lambda name: name, lambda greeting: greeting), "hi"),
    "context": (lambda context: sorted(context), ["greeting", "name"]),
}


@pytest.mark.parametrize(("link", "expected"), LINKS.values(), ids=LINKS)
def test_a_link_gets_its_arguments_by_name(link, expected):
    assert Chain(link)(name="world", greeting="hi") == expected


def test_a_class_is_a_link():
    result = Chain(Greeter)(name="world")
    assert isinstance(result, Greeter)
    assert result.name == "world"


def test_the_last_link_gives_the_value():
    assert Chain(lambda: 1, lambda: 2)() == 2
    assert Chain()() is None


@pytest.mark.parametrize("context", [SafeContext(), {}], ids=["context", "dict"])
def test_a_given_context_is_used_even_if_empty(context):
    assert Chain(assign_constant(1).to("a"), lambda a: a + 1)(context) == 2
    assert context == {"a": 1}


def test_the_given_context_is_the_one_that_links_see():
    context = SafeContext(a=1)
    assert Chain(lambda context: context)(context) is context
    assert Chain(Chain(lambda context: context))(context=context) is context


def test_a_context_and_keywords_are_put_together():
    context = SafeContext(a=1)
    assert Chain(lambda a, b: a + b)(context, b=2) == 3
    assert context == {"a": 1, "b": 2}
    with pytest.raises(ValueError, match="'a'"):
        Chain()(context, a=2)


def test_a_dict_keeps_what_was_extracted_before_an_error():
    context = {}
    with pytest.raises(ZeroDivisionError):
        Chain(assign_constant(1).to("a"), lambda: 1 / 0)(context)
    assert context == {"a": 1}


def test_chains_share_the_context():
    inner = Chain(extracts("b")(lambda a: a + 1))
    assert Chain(inner, lambda b: b + 1)(a=1) == 3


def test_a_missing_key_is_named():
    def needy(present, absent):
        raise AssertionError

    with pytest.raises(ContextKeyNotFound, match=r"needy needs 'absent'") as caught:
        Chain(Chain(needy))(present=1)
    assert (caught.value.key, caught.value.__cause__, caught.value.__context__) == ("absent", None, None)


@pytest.mark.parametrize("error", [KeyError, TypeError, AttributeError, ValueError, StopIteration])
def test_what_a_link_raises_is_let_through(error):
    def fail(a=None):
        raise error("a")

    with pytest.raises(error) as caught:
        Chain(fail)()
    assert type(caught.value) is error


@pytest.mark.parametrize("link", ["text", None, 1])
def test_what_is_no_link_is_refused_when_the_chain_is_made(link):
    with pytest.raises(ConfigurationError):
        Chain(link)


@pytest.mark.parametrize(("link", "expected"), [(dict, {}), (int, 0)])
def test_a_builtin_that_does_not_tell_its_parameters_takes_none(link, expected):
    assert Chain(link)(a=1) == expected
    assert Chain(extracts("made")(link), lambda made: made)() == expected


def test_such_a_builtin_is_given_no_argument():
    with pytest.raises(TypeError):
        Chain(max)(a=1)


def test_signatures_are_read_once(monkeypatch):
    chain = Chain(lambda a: a, Chain(extracts("b")(lambda a: a)))

    def refuse(link):
        raise AssertionError("a signature was read while the chain ran")

    monkeypatch.setattr(compiled, "signature", refuse)
    assert [chain(a=1), chain(a=2)] == [1, 2]


# -- extracts


def extract_name():
    return "world"


def extract_():
    return "nothing"


EXTRACTS = {
    "one": (extracts("a")(lambda: 1), {"a": 1}),
    "one that is a tuple": (extracts("a")(lambda: (1, 2)), {"a": (1, 2)}),
    "several": (extracts("a", "b")(lambda: (1, 2)), {"a": 1, "b": 2}),
    "several of a generator": (extracts("a", "b")(lambda: (n for n in (1, 2))), {"a": 1, "b": 2}),
    "None": (extracts("a")(lambda: None), {"a": None}),
    "by name": (extract_name, {"name": "world"}),
    "the declared name wins": (extracts("title")(extract_name), {"title": "world"}),
    "no name": (extract_, {}),
    "partial by name": (partial(extract_name), {"name": "world"}),
    "method": (Greeter("you").greet_and_tell, {"greeted": "hi, you"}),
    "method by name": (Greeter("you").extract_length, {"length": 3}),
    "marked method": (extracts("a")(Greeter("you").greet), {"a": "hi, you"}),
    "marked object": (extracts("a")(Greeter("you")), {"a": "hi, you"}),
}


@pytest.mark.parametrize(("link", "expected"), EXTRACTS.values(), ids=EXTRACTS)
def test_results_are_stored(link, expected):
    context = SafeContext(greeting="hi")
    Chain(link)(context)
    assert dict(context) == {"greeting": "hi", **expected}


@pytest.mark.parametrize("result", [None, 1, (1,), (1, 2, 3)])
def test_what_does_not_unpack_is_an_error_that_names_the_link(result):
    def link():
        return result

    with pytest.raises(ChainError, match=r"link extracts \['a', 'b'\]"):
        Chain(extracts("a", "b")(link))()


def test_a_result_overwrites_nothing():
    with pytest.raises(ValueError, match="'name'"):
        Chain(extract_name)(name="other")


def test_the_decorated_function_stays_as_it_is():
    assert extracts("a")(extract_name)() == "world"
    assert extracts("a")(extract_name).__name__ == "extract_name"
    context = SafeContext()
    Chain(extract_name)(context)
    assert context == {"name": "world"}


def test_a_decorated_class_stays_a_class_and_its_objects_are_links():
    @extracts("made")
    class Maker:
        def __call__(self, name):
            return name * 2

    context = SafeContext(name="a")
    Chain(Maker())(context)
    assert isinstance(Maker, type)
    assert context == {"name": "a", "made": "aa"}


@pytest.mark.parametrize("names", [(), (extract_name,), ("a", 1)])
def test_extracts_needs_names(names):
    with pytest.raises(ConfigurationError):
        extracts(*names)


# -- binds


def test_keys_are_renamed_for_one_link():
    seen = []
    link = binds(old="new")(lambda new, old="hidden": seen.append((new, old)))
    context = SafeContext(old=1)
    Chain(link, lambda old: seen.append(old))(context)
    assert seen == [(1, "hidden"), 1]
    assert context == {"old": 1}


def test_keys_are_renamed_for_a_chain():
    chain = Chain(binds(customer="name")(Chain(extracts("length")(lambda name: len(name)))))
    context = SafeContext(customer="you")
    assert chain(context) == 3
    assert context == {"customer": "you", "length": 3}


@pytest.mark.parametrize("order", ["binds first", "extracts first"])
def test_the_decorators_stack(order):
    def link(new):
        return new + 1

    decorated = (
        binds(old="new")(extracts("result")(link))
        if order == "binds first"
        else extracts("result")(binds(old="new")(link))
    )
    context = SafeContext(old=1)
    Chain(decorated)(context)
    assert context == {"old": 1, "result": 2}


def test_a_missing_renamed_key_is_named_as_the_context_knows_it():
    with pytest.raises(ContextKeyNotFound, match="'old'"):
        Chain(binds(old="new")(lambda new: new))()
    assert Chain(binds(old="new")(lambda new="default": new))() == "default"


def test_two_keys_cannot_have_one_name():
    with pytest.raises(ConfigurationError):
        binds(a="x", b="x")


# -- make


def test_make():
    chain = Chain(lambda: 1)
    assert Chain.make(chain) is chain
    assert Chain.make(chain=chain) is chain
    assert Chain.make(lambda: 1, lambda: 2)() == 2
    assert Chain.make(links=[lambda: 1, lambda: 2])() == 2
    assert Chain.make(links=[])() is None
    assert Chain.make(chain=lambda: 3)() == 3
    assert Chain.make()() is None


@pytest.mark.parametrize("given", [{"chain": Chain(), "links": []}, {"chain": Chain()}, {"links": []}])
def test_make_of_two_things_is_refused(given):
    args = () if len(given) == 2 else (extract_name,)
    with pytest.raises(ConfigurationError):
        Chain.make(*args, **given)


def test_a_chain_names_its_links():
    assert repr(Chain(extract_name, Chain())) == "Chain(extract_name, Chain)"


# -- chains of another kind


def doubling(context, func):
    return lambda: 2 * func()


class DoublingChain(Chain):
    @property
    def context_decorators(self):
        return [*super().context_decorators, doubling]


class ListChain(Chain):
    context_decorators = [*Chain.context_decorators, doubling]


class ReversedChain(Chain):
    def apply_decorators(self, context, link):
        decorated = super().apply_decorators(context, link)
        return lambda: -decorated()


class OwnContext(SafeContext):
    pass


class OwnContextChain(Chain):
    new_context_type = OwnContext


def test_what_is_around_links_can_be_added_to():
    links = (extracts("b")(lambda a: a + 1), binds(b="c")(lambda c: c), lambda a, b: a + b)
    assert Chain(*links)(a=1) == 3
    assert DoublingChain(*links)(a=1) == ListChain(*links)(a=1) == 6
    assert ReversedChain(*links)(a=1) == -3


def test_the_context_may_be_of_another_type():
    assert type(OwnContextChain(lambda context: context)()) is OwnContext
    assert OwnContextChain(lambda a: a)({"a": 1}) == 1


@pytest.mark.parametrize("make_context", [dict, SafeContext])
def test_decorators_one_by_one(make_context):
    context = make_context(a=1, b=2)

    def extract_sum(a, b=3, *, c=4):
        return a + b + c

    assert context_decorators.get_from_context(context, extract_sum)() == 7
    assert context_decorators.get_positional_args(extract_sum) == ["a", "b"]
    call = context_decorators.get_from_context(context, binds(b="a")(extract_sum))
    assert call() == 7
    assert context_decorators.temporarily_replace_context_keys(context, call)() == 9
    with pytest.raises(ContextKeyNotFound):
        context_decorators.get_from_context(context, lambda missing: missing)()
    assert context_decorators.save_to_context_by_func_name(context, extracts("s")(lambda: 1))() == 1
    assert dict(context) == {"a": 1, "b": 2}
    context_decorators.save_to_context(context, extracts("d", "e")(lambda: (1, 2)))()
    context_decorators.save_to_context_by_func_name(context, call)()
    assert dict(context) == {"a": 1, "b": 2, "d": 1, "e": 2, "sum": 7}


def test_to_function():
    class Link:
        def __call__(self, a):
            return a

    function = to_function(Link())
    assert inspect.isfunction(function)
    assert Chain(function)(a=1) == 1
    assert to_function(function) is function
