"""
Patterns of media types.
"""

import pytest

from microcosm_pubsub import ConsumerDaemon, handles
from microcosm_pubsub.errors import AlreadyRegisteredError
from microcosm_pubsub.harness import harness
from microcosm_pubsub.registry.patterns import (
    find_matching,
    fixed_prefix,
    is_pattern,
    is_within,
    iter_ambiguous,
    make_filter_policy,
    meet,
)


@pytest.mark.parametrize(
    ("media_type", "patterns", "found"),
    [
        ("a.b", ["a.b", "a.*", "a.**"], "a.b"),
        ("a.b", ["a.**", "a.*"], "a.*"),
        ("a.b.c", ["a.*", "a.**"], "a.**"),
        ("a.b.c", ["a.*.c", "a.**", "*.b.c"], "a.*.c"),
        ("a.b.c", ["a.*.*", "a.*.c"], "a.*.c"),
        ("a.b.c", ["a.b.**", "a.**"], "a.b.**"),
        ("a.x", ["a.*.x", "b.*"], None),
        ("a.", ["a.*", "a.**"], None),
        ("a", ["a.*", "a.**"], None),
        ("a.b*", ["a.b*"], "a.b*"),
        ("a.bc", ["a.b*"], None),
        ("", ["*.*"], None),
    ],
)
def test_the_most_specific_is_found(media_type, patterns, found):
    for registered in (patterns, patterns[::-1]):
        if found is None:
            with pytest.raises(KeyError):
                find_matching(media_type, registered)
        else:
            assert find_matching(media_type, registered) == found


def test_what_is_a_pattern():
    assert [is_pattern(text) for text in ("a.*", "a.**", "a.*.b", "*.b", "a.b", "a.b*", "a**", "a.**.b")] == [
        *(True, True, True, True),
        *(False, False, False, False),
    ]
    assert [fixed_prefix(text) for text in ("a.*", "a.b.**", "a.*.b", "*.b")] == ["a.", "a.b.", "a.", ""]


@pytest.mark.parametrize(
    ("first", "second", "both"),
    [
        ("a.*.c", "a.b.*", "a.b.c"),
        ("a.**", "*.b.c", "a.b.c"),
        ("a.*.c", "a.b.**", "a.b.c"),
        ("a.*", "a.*.*", None),
        ("a.*", "b.*", None),
        ("a.**", "a.**", "a.**"),
    ],
)
def test_what_two_match(first, second, both):
    assert meet(first, second) == meet(second, first) == both
    if both is not None:
        assert is_within(both, first)
        assert is_within(both, second)


def test_what_is_ambiguous():
    assert list(iter_ambiguous(["a.*.c", "a.b.*"])) == [("a.*.c", "a.b.*")]
    # the third decides
    assert list(iter_ambiguous(["a.*.c", "a.b.*", "a.b.c"])) == []
    assert list(iter_ambiguous(["a.*.*", "a.b.*", "a.**", "a.b.c", "x.*"])) == []


def test_filter_policies():
    assert make_filter_policy(["a.*.c", "b.c", "d.**"]) == {"media_type": [{"prefix": "a."}, "b.c", {"prefix": "d."}]}


class PatternDaemon(ConsumerDaemon):
    name = "patterns"


HOST = "application/vnd.globality.pubsub._.{}.host"


@pytest.mark.usefixtures("own_declarations")
def test_handlers_of_patterns():
    seen = []

    @handles(HOST.format("*"))
    def any_of_host(content):
        seen.append(("any", content["media_type"].split(".")[-2]))
        return True

    @handles(HOST.format("created"))
    def created_host(content):
        seen.append("created")
        return True

    with harness(PatternDaemon) as app:
        app.publish(HOST.format("created"), uri="http://localhost/1")
        app.publish(HOST.format("changed"), uri="http://localhost/1")
        app.publish(HOST.format("deleted"), id="1")
        app.run()

    assert seen == ["created", ("any", "changed"), ("any", "deleted")]


@pytest.mark.usefixtures("own_declarations")
def test_handlers_of_ambiguous_patterns():
    @handles(HOST.format("*"))
    def any_of_host(content):
        return True

    @handles("application/vnd.globality.pubsub._.created.*")
    def created_any(content):
        return True

    with pytest.raises(AlreadyRegisteredError, match="neither is more specific"), harness(PatternDaemon):
        pass

    handles(HOST.format("created"))(created_any)
    with harness(PatternDaemon):
        pass
