"""
The types of configuration values.
"""

import pytest

from microcosm_pubsub import types
from microcosm_pubsub.backoff import BackoffPolicy
from microcosm_pubsub.errors import ConfigurationError


@pytest.mark.parametrize(
    ("convert", "value", "expected"),
    [
        (types.integer("k"), 5, 5),
        (types.integer("k"), "5", 5),
        (types.integer("k"), " -5 ", -5),
        (types.integer("k", 1, 3), 1, 1),
        (types.integer("k", 1, 3), "3", 3),
        (types.number("k"), 5, 5.0),
        (types.number("k"), "1.5", 1.5),
        (types.number("k", 0), "0", 0.0),
        (types.boolean("k"), True, True),
        (types.boolean("k"), False, False),
        *((types.boolean("k"), text, True) for text in ("1", "on", "T", "True", "YES", " true ")),
        *((types.boolean("k"), text, False) for text in ("0", "off", "F", "False", "NO", "")),
        (types.boolean("k"), 1, True),
        (types.text("k"), "x", "x"),
        (types.choice("k", "A", "B"), "b", "B"),
        (types.names("k"), "a, b,,c ", ["a", "b", "c"]),
        (types.names("k"), "", []),
        (types.names("k"), ("a", "b"), ["a", "b"]),
    ],
)
def test_accepted(convert, value, expected):
    actual = convert(value)

    assert actual == expected
    assert type(actual) is type(expected)


@pytest.mark.parametrize(
    ("convert", "value", "expected"),
    [
        (types.integer("a.key"), "five", "a whole number"),
        (types.integer("a.key"), 1.5, "a whole number"),
        (types.integer("a.key"), True, "a whole number"),
        (types.integer("a.key"), "", "a whole number"),
        (types.integer("a.key", 1), 0, "at least 1"),
        (types.integer("a.key", 1, 10), "11", "at most 10"),
        (types.number("a.key"), "x", "a number"),
        (types.number("a.key"), "nan", "a finite number"),
        (types.number("a.key"), "-inf", "a finite number"),
        (types.number("a.key", 0), -1, "at least 0"),
        (types.number("a.key", 0, 1), 2, "at most 1"),
        (types.boolean("a.key"), "maybe", "true or false"),
        (types.boolean("a.key"), 2, "true or false"),
        (types.text("a.key"), 5, "text"),
        (types.choice("a.key", "A", "B"), "c", "one of A, B"),
        (types.names("a.key"), 5, "a list of names"),
        (types.names("a.key"), [5], "a list of names"),
    ],
)
def test_refused(convert, value, expected):
    with pytest.raises(ConfigurationError) as raised:
        convert(value)

    text = str(raised.value)
    assert "a.key" in text
    assert repr(value).strip("'") in text
    assert expected in text


def test_an_unknown_class_is_refused_with_those_that_are_known():
    with pytest.raises(ConfigurationError) as raised:
        types.choose_subclass(BackoffPolicy, "NoSuchPolicy", "backoff policy")

    text = str(raised.value)
    assert "backoff policy 'NoSuchPolicy'" in text
    assert "ExponentialBackoffPolicy" in text
    assert "NaiveBackoffPolicy" in text
