"""
The types of configuration values.
"""

import pytest

from microcosm_pubsub.backoff import BackoffPolicy
from microcosm_pubsub.config import values
from microcosm_pubsub.errors import ConfigurationError


@pytest.mark.parametrize(
    ("convert", "value", "expected"),
    [
        (values.integer("k"), 5, 5),
        (values.integer("k"), "5", 5),
        (values.integer("k"), " -5 ", -5),
        (values.integer("k", 1, 3), 1, 1),
        (values.integer("k", 1, 3), "3", 3),
        (values.number("k"), 5, 5.0),
        (values.number("k"), "1.5", 1.5),
        (values.number("k", 0), "0", 0.0),
        (values.boolean("k"), True, True),
        (values.boolean("k"), False, False),
        *((values.boolean("k"), text, True) for text in ("1", "on", "T", "True", "YES", " true ")),
        *((values.boolean("k"), text, False) for text in ("0", "off", "F", "False", "NO", "")),
        (values.boolean("k"), 1, True),
        (values.text("k"), "x", "x"),
        (values.choice("k", "A", "B"), "b", "B"),
        (values.names("k"), "a, b,,c ", ["a", "b", "c"]),
        (values.names("k"), "", []),
        (values.names("k"), ("a", "b"), ["a", "b"]),
    ],
)
def test_accepted(convert, value, expected):
    actual = convert(value)

    assert actual == expected
    assert type(actual) is type(expected)


@pytest.mark.parametrize(
    ("convert", "value", "expected"),
    [
        (values.integer("a.key"), "five", "a whole number"),
        (values.integer("a.key"), 1.5, "a whole number"),
        (values.integer("a.key"), True, "a whole number"),
        (values.integer("a.key"), "", "a whole number"),
        (values.integer("a.key", 1), 0, "at least 1"),
        (values.integer("a.key", 1, 10), "11", "at most 10"),
        (values.number("a.key"), "x", "a number"),
        (values.number("a.key"), "nan", "a finite number"),
        (values.number("a.key"), "-inf", "a finite number"),
        (values.number("a.key", 0), -1, "at least 0"),
        (values.number("a.key", 0, 1), 2, "at most 1"),
        (values.boolean("a.key"), "maybe", "true or false"),
        (values.boolean("a.key"), 2, "true or false"),
        (values.text("a.key"), 5, "text"),
        (values.choice("a.key", "A", "B"), "c", "one of A, B"),
        (values.names("a.key"), 5, "a list of names"),
        (values.names("a.key"), [5], "a list of names"),
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
        values.choose_subclass(BackoffPolicy, "NoSuchPolicy", "backoff policy")

    text = str(raised.value)
    assert "backoff policy 'NoSuchPolicy'" in text
    assert "ExponentialBackoffPolicy" in text
    assert "NaiveBackoffPolicy" in text
