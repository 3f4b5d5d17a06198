"""
The statements, each as a link of a chain.
"""

from types import SimpleNamespace

import pytest

from microcosm_pubsub import chain as package
from microcosm_pubsub.chain import (
    Chain,
    assign,
    assign_constant,
    assign_function,
    call,
    extract,
    extracts,
    for_each,
    statements,
    switch,
    try_chain,
    when,
)
from microcosm_pubsub.chain.context import SafeContext
from microcosm_pubsub.chain.exceptions import AttributeNotFound, ContextKeyNotFound
from microcosm_pubsub.errors import ConfigurationError


def run(*links, **kwargs):
    """Return what a chain returns, and what it adds to its context."""
    context = SafeContext(**kwargs)
    result = Chain(*links)(context)
    return result, {key: value for key, value in context.items() if key not in kwargs}


def give(value):
    return lambda: value


def test_statements_are_found_in_both_places():
    for name in statements.__all__:
        assert getattr(package, name) is getattr(statements, name)
    assert set(statements.__all__) < set(package.__all__)


# -- assign

MESSAGE = {"uri": "u", "customer": SimpleNamespace(name="you", tags={"a": 1}), "count": 3}

PATHS = {
    "message": MESSAGE,
    "message.uri": "u",
    "message.customer.name": "you",
    "message.customer.tags.a": 1,
    "message.__class__": dict,
    "message.count": 3,
}


@pytest.mark.parametrize(("path", "expected"), PATHS.items(), ids=PATHS)
def test_assign(path, expected):
    assert run(assign(path).to("c"), message=MESSAGE) == (expected, {"c": expected})


@pytest.mark.parametrize(
    ("path", "reached", "name"),
    [
        ("message.absent", "message", "absent"),
        ("message.customer.absent", "message.customer", "absent"),
        ("message.customer.tags.kys", "message.customer.tags", "kys"),
        ("message.uri.absent.name", "message.uri", "absent"),
        ("nothing.name", "nothing", "name"),
    ],
)
def test_assign_without_attribute(path, reached, name):
    with pytest.raises(AttributeNotFound, match=f"^Failed to find attribute `{name}` on `{reached}`"):
        run(assign(path).to("c"), message=MESSAGE, nothing=None)


def test_assign_without_key():
    with pytest.raises(ContextKeyNotFound, match="'message'"):
        run(assign("message.uri").to("c"))


def test_assign_overwrites_nothing():
    with pytest.raises(ValueError, match="'c'"):
        run(assign_constant(1).to("c"), c=0)


@pytest.mark.parametrize("value", [1, None, "a", print])
def test_assign_constant(value):
    assert run(assign_constant(value).to("c"), a=2) == (value, {"c": value})


def test_assign_function():
    def extract_other(a, b=10):
        return a + b

    assert run(assign_function(extract_other).to("c"), a=1) == (11, {"c": 11})


def test_extract():
    assert run(extract("name", "customer", "name"), customer={"name": "you"}) == ("you", {"name": "you"})
    assert run(extract("name", "customer", "name"), customer=SimpleNamespace(name="you"))[0] == "you"
    assert run(extract("copy", "customer"), customer=1) == (1, {"copy": 1})
    with pytest.raises(AttributeNotFound):
        run(extract("name", "customer", "age"), customer={})


def test_what_is_not_complete_is_no_link():
    for incomplete in (
        assign("a"),
        assign_constant(1),
        switch("a").case(1),
        try_chain().catch(KeyError),
        for_each("a").in_("b"),
    ):
        with pytest.raises(ConfigurationError, match="complete"):
            Chain(incomplete)


# -- call


def test_call():
    def greet(greeting, name, loud=False):
        return f"{greeting}, {name}{'!' if loud else ''}"

    statement = call(greet).with_args(greeting="hello", name="customer")
    assert run(statement, customer="you") == ("hello, you", {})
    assert run(statement.as_("g"), customer="you") == ("hello, you", {"g": "hello, you"})
    assert run(statement.with_args(loud=True), customer="you")[0] == "hello, you!"
    assert run(call(greet).with_args(greeting="hello"), name="me")[0] == "hello, me"
    assert run(call(greet), name="me", greeting="hi")[0] == "hi, me"


def test_call_stores_what_the_function_extracts_unless_told_otherwise():
    def extract_name():
        return "you"

    assert run(call(extract_name))[1] == {"name": "you"}
    assert run(call(extract_name).as_("customer"))[1] == {"customer": "you"}


def test_call_gives_more_to_a_function_that_takes_more():
    assert run(call(lambda **kwargs: kwargs).with_args(x="a", y=2), a=1)[0] == {"x": 1, "y": 2}
    assert run(call(lambda a, /, *, b: (a, b)).with_args(a=1, b=2))[0] == (1, 2)


def test_call_refuses_arguments_that_nothing_takes():
    with pytest.raises(ConfigurationError, match="'y'"):
        call(lambda x: x).with_args(y=1)


# -- when


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("yes", "then"),
        ("no", "otherwise"),
        (lambda yes: yes, "then"),
        (lambda no: no, "otherwise"),
        (lambda yes, no: yes and no, "otherwise"),
    ],
)
def test_when(question, expected):
    statement = when(question).then(give("then")).otherwise(give("otherwise"))
    assert run(statement, yes=True, no=0) == (expected, {})


def test_when_there_is_nothing_to_run():
    assert run(when("k").then(give(1)), k=False) == (None, {})
    assert run(when("k").otherwise(give(1)), k=True) == (None, {})


def test_when_without_key():
    with pytest.raises(ContextKeyNotFound, match="'k'"):
        run(when("k").then(give(1)))


def test_clauses_take_what_make_takes():
    assert run(when("k").then(chain=Chain(give(1))), k=1)[0] == 1
    assert run(when("k").then(links=[give(1), give(2)]), k=1)[0] == 2
    assert run(when("k").then(give(1), give(2)), k=1)[0] == 2
    assert run(when("k").then(Chain(extracts("a")(give(1)))), k=1) == (1, {"a": 1})


def test_a_statement_can_be_continued_in_two_ways():
    start = when("k").then(give(1))
    assert run(start.otherwise(give(2)), k=0)[0] == 2
    assert run(start.otherwise(give(3)), k=0)[0] == 3
    assert run(start, k=0)[0] is None


# -- switch


@pytest.mark.parametrize(("value", "expected"), [("a", 1), ("b", 2), (["c"], 3), (None, 4), ("z", 5)])
def test_switch(value, expected):
    statement = (
        switch("k")
        .case("a", give(1))
        .case("b")
        .then(give(2))
        .case(["c"], chain=Chain(give(3)))
        .case(None)
        .then(links=[give(4)])
        .otherwise(give(5))
        .case("a", give("second"))
    )
    assert run(statement, k=value) == (expected, {})


def test_switch_on_a_function():
    statement = switch(lambda k: k % 2).case(0, give("even")).case(1, give("odd"))
    assert [run(statement, k=k)[0] for k in (2, 3)] == ["even", "odd"]


def test_switch_without_match():
    assert run(switch("k").case("a", give(1)), k="b") == (None, {})
    assert run(switch("k").case("a").then(), k="a") == (None, {})


def test_switch_without_key():
    with pytest.raises(ContextKeyNotFound, match="'k'"):
        run(switch("k").case("a", give(1)))


# -- for_each


def test_for_each():
    statement = for_each("item").in_("items").do(lambda item, factor: item * factor)
    assert run(statement, items=[1, 2], factor=3) == ([3, 6], {"item_list": [3, 6]})
    assert run(statement.as_("results"), items=(1,), factor=3) == ([3], {"results": [3]})
    assert run(statement, items=[], factor=3) == ([], {"item_list": []})


def test_for_each_keeps_what_its_links_extract_in_each_iteration():
    links = extracts("double")(lambda item: item * 2), lambda double: double + 1
    assert run(for_each("item").in_("items").do(*links), items=[1, 2]) == ([3, 5], {"item_list": [3, 5]})


def test_for_each_item_hides_a_key_of_its_name():
    context = SafeContext(item="outer", items=[1])
    Chain(for_each("item").in_("items").do(lambda item: item))(context)
    assert context == {"item": "outer", "items": [1], "item_list": [1]}


def test_for_each_in_for_each():
    inner = for_each("cell").in_("row").do(lambda cell: cell + 1)
    assert run(for_each("row").in_("rows").do(inner), rows=[[1], [2, 3]])[0] == [[2], [3, 4]]


def test_for_each_in_what_a_function_gives():
    assert run(for_each("n").in_(lambda top: range(top)).do(lambda n: n), top=2)[0] == [0, 1]


def test_for_each_when_the_item_is_wanted():
    called = []
    statement = for_each("n").in_("ns").when(lambda n, low: n > low).do(_note(called))
    assert run(statement, ns=[1, 2, 3], low=1)[0] == [2, 3]
    assert called == [2, 3]


def _note(called):
    def note(n):
        called.append(n)
        return n

    return note


@pytest.mark.parametrize(("condition", "expected"), [(lambda value: value > 3, [4, 6]), (bool, [2, 4, 6])])
def test_for_each_when_the_value_is_kept(condition, expected):
    statement = for_each("n").in_("ns").do(lambda n: n * 2).when(condition)
    assert run(statement, ns=[0, 1, 2, 3])[0] == expected


def test_for_each_when_not_none():
    values = {1: "a", 2: None, 3: "c"}
    statement = for_each("n").in_("ns").do(lambda n: values[n]).when_not_none()
    assert run(statement, ns=[1, 2, None, 3]) == (["a", "c"], {"n_list": ["a", "c"]})


def test_for_each_refuses_what_cannot_work():
    with pytest.raises(ConfigurationError, match="in_"):
        for_each("item").do(give(1))
    with pytest.raises(ConfigurationError, match="function"):
        for_each("item").in_("items").when("flag")
    with pytest.raises(ContextKeyNotFound, match="'items'"):
        run(for_each("item").in_("items").do(give(1)))


# -- try_chain


def fail(error):
    def failing():
        raise error

    return failing


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (KeyError("k"), "lookup"),
        (LookupError(), "lookup"),
        (UnicodeError(), "value"),
        (ValueError(), "value"),
        (TypeError(), "type or attribute"),
        (AttributeError(), "type or attribute"),
    ],
)
def test_try_chain_runs_the_first_clause_that_fits(error, expected):
    statement = (
        try_chain(fail(error))
        .catch(LookupError, give("lookup"))
        .catch(ValueError)
        .then(give("value"))
        .catch((TypeError, AttributeError), give("type or attribute"))
        .catch(KeyError, give("never"))
        .otherwise(give("otherwise"))
    )
    assert run(statement) == (expected, {})


def test_try_chain_without_error():
    statement = try_chain(extracts("a")(give(1))).catch(ValueError, give(2))
    assert run(statement) == (1, {"a": 1})
    assert run(statement.otherwise(lambda a: a + 2)) == (3, {"a": 1})
    assert run(try_chain(give(1))) == (1, {})


def test_try_chain_lets_other_errors_through():
    with pytest.raises(KeyError):
        run(try_chain(fail(KeyError())).catch(ValueError, give(1)))
    with pytest.raises(KeyError):
        run(try_chain(fail(KeyError())))


def test_try_chain_catches_nothing_that_otherwise_raises():
    with pytest.raises(ValueError, match="later"):
        run(try_chain(give(1)).catch(ValueError, give(2)).otherwise(fail(ValueError("later"))))


def test_try_chain_keeps_what_was_extracted_before():
    links = extracts("a")(give(1)), fail(ValueError())
    assert run(try_chain(*links).catch(ValueError, lambda a: a + 1)) == (2, {"a": 1})


@pytest.mark.parametrize("error", [ValueError(), "ValueError", int, give(1), (ValueError, 1)])
def test_try_chain_catches_classes_of_errors_only(error):
    with pytest.raises(ConfigurationError):
        try_chain().catch(error, give(1))
