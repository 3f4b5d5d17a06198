"""
The context that the links of a chain share.
"""

import pickle

import pytest

from microcosm_pubsub.chain.context import SafeContext, ScopedSafeContext, renamed


OVERWRITES = {
    "item": lambda context: context.__setitem__("a", 2),
    "assign": lambda context: context.assign("a", 2),
    "update": lambda context: context.update({"a": 2}),
    "update with keywords": lambda context: context.update(a=2),
    "in-place or": lambda context: context.__ior__({"a": 2}),
    "same value": lambda context: context.assign("a", 1),
}


@pytest.mark.parametrize("cls", [SafeContext, ScopedSafeContext])
@pytest.mark.parametrize("overwrite", OVERWRITES.values(), ids=OVERWRITES)
def test_no_key_is_overwritten(cls, overwrite):
    context = cls(a=1)
    with pytest.raises(ValueError, match="'a'"):
        overwrite(context)
    assert context == {"a": 1}


def test_no_key_is_given_twice_to_begin_with():
    with pytest.raises(ValueError, match="'a'"):
        SafeContext({"a": 1}, a=2)


@pytest.mark.parametrize("cls", [SafeContext, ScopedSafeContext])
def test_it_exposes_itself(cls):
    context = cls(a=1)
    assert context["context"] is context
    assert context.get("context") is context
    assert "context" in context
    assert dict(context) == {"a": 1}
    with pytest.raises(ValueError, match="'context'"):
        context.assign("context", 1)


def test_it_is_a_dict():
    context = SafeContext({"a": 1})
    context.assign("b", 2)
    context["c"] = 3
    assert context.setdefault("c", 4) == 3
    assert context.setdefault("d", 4) == 4
    assert context == {"a": 1, "b": 2, "c": 3, "d": 4}
    assert context.get("e") is None
    assert context.get("e", 5) == 5
    with pytest.raises(KeyError):
        context["e"]
    assert pickle.loads(pickle.dumps(context)) == context


def test_a_local_scope_keeps_its_keys_for_itself():
    context = SafeContext(a=1, item="outer")
    scope = context.local(item="inner", more=2)
    scope.assign("new", 3)
    assert scope == {"a": 1, "item": "inner", "more": 2, "new": 3}
    assert scope["context"] is scope
    assert context == {"a": 1, "item": "outer"}
    with pytest.raises(ValueError, match="'a'"):
        scope.assign("a", 2)
    with pytest.raises(ValueError, match="'context'"):
        context.local(context=1)


def test_a_local_scope_is_a_context_manager():
    context = SafeContext(a=1)
    with context.local(b=2) as scope, scope.local(c=3) as inner:
        assert inner == {"a": 1, "b": 2, "c": 3}
    assert scope == {}
    assert context == {"a": 1}


RENAMES = {
    "one": ({"a": "x"}, {"x": 1, "b": 2}),
    "missing": ({"z": "x"}, {"a": 1, "b": 2}),
    "hides another": ({"a": "b"}, {"b": 1}),
    "swaps": ({"a": "b", "b": "a"}, {"a": 2, "b": 1}),
    "keeps its name": ({"a": "a"}, {"a": 1, "b": 2}),
}


@pytest.mark.parametrize(("names", "expected"), RENAMES.values(), ids=RENAMES)
def test_keys_are_renamed_for_a_block(names, expected):
    context = SafeContext(a=1, b=2)
    with renamed(context, names):
        assert dict(context) == expected
        context.assign("new", 3)
    assert context == {"a": 1, "b": 2, "new": 3}


def test_keys_get_their_names_back_after_an_error():
    context = SafeContext(a=1)
    with pytest.raises(KeyError), renamed(context, {"a": "x"}):
        raise KeyError
    assert context == {"a": 1}


def test_a_renamed_key_is_not_overwritten_either():
    context = SafeContext(a=1)
    with pytest.raises(ValueError, match="'a'"), renamed(context, {"a": "x"}):
        context.assign("a", 2)
    assert context == {"a": 1}


def test_keys_are_attributes():
    context = SafeContext(a=1)
    assert context.a == 1
    assert context.context is context
    assert context.local(b=2).a == 1
    assert ScopedSafeContext(context, a=3).a == 3
    with pytest.raises(AttributeError, match="'b'"):
        _ = context.b
    assert not hasattr(context.local(), "b")
