"""
Filter policies, row by row.

https://docs.aws.amazon.com/sns/latest/dg/sns-subscription-filter-policies.html
"""

from json import dumps

import pytest
from hypothesis import given
from hypothesis import strategies as st

from microcosm_pubsub.broker.sns.filter_condition import PolicyError, parse_condition
from microcosm_pubsub.broker.sns.filter_policy import parse_policy


NETWORK = {"cidr": "10.0.0.0/24"}

#: Conditions, values that pass, values that do not.
CONDITIONS = [
    (["rugby", "tennis"], ["rugby", "tennis", ["golf", "tennis"]], ["Rugby", "rug", "", None, 1, ["golf"], []]),
    ([100], [100, 100.0, 1e2, 100.000001], ["100", 101, 100.001, True, None]),
    ([1], [1, 1.0], [True, "1"]),
    ([12345678901234567890], [12345678901234567890], [12345678901234567891]),
    ([True], [True, [False, True]], [False, 1, "true"]),
    ([False], [False], [True, 0, "false", None]),
    ([None], [None], ["null", "", 0, False]),
    ([{"prefix": "bas"}], ["baseball", "bas", ["golf", "basketball"]], ["Baseball", "rugby", "", 5, None]),
    ([{"prefix": ""}], ["anything", ""], [1]),
    ([{"suffix": "ball"}], ["baseball", "ball"], ["Ball", "balls", 5]),
    ([{"equals-ignore-case": "TENNIS"}], ["tennis", "Tennis", "TENNIS"], ["tennis ", "rugby", 1]),
    ([{"anything-but": "rugby"}], ["golf", "", 1, None, ["rugby", "golf"]], ["rugby", ["rugby"]]),
    ([{"anything-but": ["rugby", "tennis"]}], ["golf", ["rugby", "golf"]], ["rugby", "tennis", ["rugby", "tennis"]]),
    ([{"anything-but": [100, 500]}], [101, 100.1, "100"], [100, 500, 5e2]),
    ([{"anything-but": {"prefix": "order-"}}], ["data-entry", 1], ["order-cancelled"]),
    ([{"anything-but": {"prefix": ["a", "b"]}}], ["c"], ["a1", "b1"]),
    ([{"anything-but": {"suffix": "ball"}}], ["rugby"], ["baseball"]),
    ([{"anything-but": {"equals-ignore-case": "tennis"}}], ["rugby"], ["TENNIS", "tennis"]),
    ([{"anything-but": {"wildcard": "*ball"}}], ["rugby"], ["ball", "football"]),
    ([{"wildcard": "*ball"}], ["ball", "baseball"], ["balls", "bal", 1]),
    ([{"wildcard": "a*b*c"}], ["abc", "aXbYc", "abbc"], ["ac", "acb", "ab", "abcd"]),
    ([{"wildcard": "ab*ba"}], ["abba", "abXba"], ["aba"]),
    ([{"wildcard": "*a*"}], ["a", "banana"], ["", "b"]),
    ([{"wildcard": "*"}], ["", "anything"], [1, None]),
    ([{"wildcard": "plain"}], ["plain"], ["plain "]),
    ([{"wildcard": "a.*"}], ["a.b"], ["ab"]),
    ([{"wildcard": "1\\*2*"}], ["1*2", "1*23"], ["112", "1x2"]),
    ([{"wildcard": "\\\\*"}], ["\\", "\\x"], ["x"]),
    ([NETWORK], ["10.0.0.0", "10.0.0.255"], ["10.1.1.0", "10.0.0", "rugby", "", 1, None]),
    ([{"cidr": "2001:db8::/32"}], ["2001:db8::1"], ["2001:db9::1", "10.0.0.1"]),
    ([{"numeric": ["=", 301.5]}], [301.5, 3.015e2], [301.6, "301.5", True]),
    ([{"numeric": ["<", 0]}], [-1, -0.5], [0, 1, "-1", None, False]),
    ([{"numeric": ["<=", 5]}], [5, 4.99999], [5.00002, 6]),
    ([{"numeric": [">", 5]}], [5.1, 6], [5, 4]),
    ([{"numeric": [">=", 5]}], [5, 5.0, 6], [4.99]),
    ([{"numeric": [">", 0, "<=", 150]}], [0.1, 150], [0, 151, -1]),
    ([{"numeric": [">=", 0, "<", 150]}], [0, 149.9], [150]),
    ([{"exists": True}], ["fans", 0, False, ["", "a"]], ["", None, [], [None]]),
    ([{"exists": False}], [[], {"inner": 1}], ["fans", "", None, 0]),
    ([{"exists": False}, "a"], ["a", []], ["b"]),
    ([{"anything-but": "a"}, {"exists": False}], ["b", []], ["a"]),
    (["a", {"prefix": "b"}, {"numeric": [">", 1]}, None], ["a", "bc", 2, None], ["c", 1]),
]

PASSING = [(conditions, value) for conditions, passing, _ in CONDITIONS for value in passing]
FAILING = [(conditions, value) for conditions, _, failing in CONDITIONS for value in failing]


@pytest.mark.parametrize(("conditions", "value"), PASSING, ids=str)
def test_a_value_passes(conditions, value):
    """https://docs.aws.amazon.com/sns/latest/dg/string-value-matching.html"""
    policy = parse_policy(dumps({"key": conditions}), True)

    assert policy.matches({"key": value, "other": 1})


@pytest.mark.parametrize(("conditions", "value"), FAILING, ids=str)
def test_a_value_does_not_pass(conditions, value):
    """https://docs.aws.amazon.com/sns/latest/dg/numeric-value-matching.html"""
    policy = parse_policy(dumps({"key": conditions}), True)

    assert not policy.matches({"key": value, "other": 1})


OR = {"$or": [{"a": ["1"]}, {"b": ["2"], "c": ["3"]}]}
ORDERED = {"Records": {"s3": {"object": {"key": [{"prefix": "auto-"}]}}, "eventName": [{"prefix": "Created:"}]}}
DETAIL = {"detail": {"scope": ["Service"], "$or": [{"source": ["cloud"]}, {"type": ["alarm"]}]}}

#: Policies, bodies, and whether they match.
BODIES = [
    ({}, {}, True),
    ({}, {"a": 1}, True),
    ({"a": ["1"], "b": ["2"]}, {"a": "1", "b": "2", "c": "3"}, True),
    ({"a": ["1"], "b": ["2"]}, {"a": "1"}, False),
    ({"a": ["1"]}, {"A": "1"}, False),
    ({"a": [{"anything-but": "1"}]}, {"b": "1"}, False),
    ({"a": [{"exists": False}]}, {"b": "1"}, True),
    ({"a": {"b": ["1"]}}, {"a": {"b": "1"}}, True),
    ({"a": {"b": ["1"]}}, {"a": {"b": "2"}}, False),
    ({"a": {"b": ["1"]}}, {"a": "1"}, False),
    ({"a": {"b": ["1"]}}, {"b": "1"}, False),
    ({"a": {"b": [{"exists": False}]}}, {"c": 1}, True),
    ({"a": {"b": [{"exists": False}]}}, {"a": {"b": 1}}, False),
    ({"a": {"b": ["1"]}}, {"a": [{"b": "2"}, {"b": "1"}]}, True),
    ({"a": {"b": ["1"]}}, {"a": [[{"b": ["2", "1"]}]]}, True),
    # both properties have to be of one element
    ({"a": {"b": ["1"], "c": ["2"]}}, {"a": [{"b": "1", "c": "2"}, {}]}, True),
    ({"a": {"b": ["1"], "c": ["2"]}}, {"a": [{"b": "1"}, {"c": "2"}]}, False),
    (ORDERED, {"Records": [{"s3": {"object": {"key": "auto-1"}}, "eventName": "Created:Put"}]}, True),
    (ORDERED, {"Records": [{"s3": {"object": [[{"key": "auto-1"}]]}, "eventName": "Created:Put"}]}, True),
    (ORDERED, {"Records": [{"s3": {"object": {"key": "auto-1"}}, "eventName": "Removed:"}]}, False),
    (ORDERED, {"Records": [{"s3": {"object": {"key": "home-1"}}, "eventName": "Created:Put"}]}, False),
    # a dot may lead into a nested object
    ({"a.b": ["1"]}, {"a": {"b": "1"}}, True),
    ({"a.b": ["1"]}, {"a.b": "1"}, True),
    ({"a.b": ["1"]}, {"a": {"b": "2"}}, False),
    ({"a.b.c": ["1"]}, {"a": {"b": {"c": "1"}}}, True),
    ({"a.b.c": ["1"]}, {"a.b": {"c": "1"}}, True),
    ({"a.b.c": ["1"]}, {"a": {"b.c": "1"}}, True),
    ({"a.b.c": ["1"]}, {"a": [{"b": 1}, {"b": {"c": ["1"]}}]}, True),
    ({"": ["1"]}, {"": "1"}, True),
    (OR, {"a": "1"}, True),
    (OR, {"b": "2", "c": "3"}, True),
    (OR, {"b": "2"}, False),
    (OR, {"a": "2"}, False),
    ({**OR, "d": ["4"]}, {"a": "1"}, False),
    ({**OR, "d": ["4"]}, {"a": "1", "d": "4"}, True),
    (DETAIL, {"detail": {"scope": "Service", "type": "alarm"}}, True),
    (DETAIL, {"detail": {"scope": "Service", "source": "cloud"}}, True),
    (DETAIL, {"detail": {"scope": "Service"}}, False),
    (DETAIL, {"detail": {"type": "alarm"}}, False),
    # otherwise it is a property's name
    ({"$or": ["1"]}, {"$or": "1"}, True),
    ({"$or": ["1"]}, {"a": "1"}, False),
    ({"$or": [{"prefix": "a"}, {"prefix": "b"}]}, {"$or": "bc"}, True),
]


@pytest.mark.parametrize(("policy", "body", "expected"), BODIES, ids=str)
def test_a_body_matches(policy, body, expected):
    """https://docs.aws.amazon.com/sns/latest/dg/and-or-logic.html"""
    assert parse_policy(dumps(policy), True).matches(body) is expected


#: Policies, and what their refusal names.
REFUSED = [
    ("", "failed to parse JSON"),
    ("{", "failed to parse JSON"),
    ("{invalid}", "failed to parse JSON"),
    ("[]", "must be a JSON object"),
    ('"a"', "must be a JSON object"),
    ('{"a": [NaN]}', "NaN"),
    ('{"a": [Infinity]}', "Infinity"),
    ('{"a": ' * 40_000, "failed to parse JSON"),
    ('{"a": ["' + "x" * 256 * 1024 + '"]}', "too long"),
    ({"a": "1"}, '"a" must be an object or an array'),
    ({"a": 1}, '"a" must be an object or an array'),
    ({"a": None}, '"a" must be an object or an array'),
    ({"a": []}, "Empty arrays"),
    ({"a": {}}, "Empty objects"),
    ({"a": {"prefix": "b"}}, '"prefix" must be an object or an array'),
    ({"a": [["b"]]}, "Match value must be String, number, true, false, or null"),
    ({"a": [{"wrong": True}]}, "Unrecognized match type wrong"),
    ({"a": [{}]}, "Only one key allowed"),
    ({"a": [{"suffix": "a", "prefix": "b"}]}, "Only one key allowed"),
    ({"a": [{"exists": True, "prefix": "b"}]}, "Only one key allowed"),
    ({"a": [{"exists": None}]}, "exists match pattern must be either true or false"),
    ({"a": [{"exists": 0}]}, "exists match pattern must be either true or false"),
    ({"a": [{"exists": "no"}]}, "exists match pattern must be either true or false"),
    ({"a": [{"prefix": 1}]}, "prefix match pattern must be a string"),
    ({"a": [{"suffix": None}]}, "suffix match pattern must be a string"),
    ({"a": [{"suffix": []}]}, "suffix match pattern must be a string"),
    ({"a": [{"equals-ignore-case": ["b"]}]}, "equals-ignore-case match pattern must be a string"),
    ({"a": [{"wildcard": 1}]}, "wildcard match pattern must be a string"),
    ({"a": [{"wildcard": "a**b"}]}, "Consecutive wildcard"),
    ({"a": [{"wildcard": "a\\b"}]}, "Invalid escape"),
    ({"a": [{"wildcard": "a\\"}]}, "Invalid escape"),
    ({"a": [{"cidr": 1}]}, "cidr match pattern must be a string"),
    ({"a": [{"cidr": "10.0.0.0"}]}, "one '/' required"),
    ({"a": [{"cidr": "10.0.0/24"}]}, "Malformed CIDR"),
    ({"a": [{"cidr": "10.0.0.0/x"}]}, "Malformed CIDR"),
    ({"a": [{"anything-but": []}]}, "Value of anything-but"),
    ({"a": [{"anything-but": None}]}, "Value of anything-but"),
    ({"a": [{"anything-but": [["b"]]}]}, "Value of anything-but"),
    ({"a": [{"anything-but": {"exists": False}}]}, "Unsupported anything-but pattern: exists"),
    ({"a": [{"anything-but": {"prefix": False}}]}, "prefix match pattern must be a string"),
    ({"a": [{"anything-but": {"prefix": []}}]}, "prefix match pattern must be a string"),
    ({"a": [{"anything-but": {}}]}, "Only one key allowed"),
    ({"a": [{"numeric": []}]}, "Invalid member in numeric match"),
    ({"a": [{"numeric": "="}]}, "Invalid member in numeric match"),
    ({"a": [{"numeric": [1, "<="]}]}, "Invalid member in numeric match"),
    ({"a": [{"numeric": ["operator"]}]}, "Unrecognized numeric range operator: operator"),
    ({"a": [{"numeric": ["=", "0"]}]}, "Value of equals must be numeric"),
    ({"a": [{"numeric": ["=", True]}]}, "Value of equals must be numeric"),
    ({"a": [{"numeric": [">="]}]}, "Value of >= must be numeric"),
    ({"a": [{"numeric": ["<", 100, ">", 10]}]}, "Too many elements"),
    ({"a": [{"numeric": ["=", 1, "<", 10]}]}, "Too many elements"),
    ({"a": [{"numeric": [">=", 1, ">", 2]}]}, "Bad numeric range operator: >"),
    ({"a": [{"numeric": [">", 20, 30]}]}, "Bad numeric range operator: 30"),
    ({"a": [{"numeric": [">", 20, [30]]}]}, "Bad numeric range operator"),
    ({"a": [{"numeric": [">", 20, "<="]}]}, "Value of <= must be numeric"),
    ({"a": [{"numeric": [">", 20, "<", "30"]}]}, "Value of < must be numeric"),
    ({"a": [{"numeric": [">", 3, "<", 1]}]}, "Bottom must be less than top"),
    ({"a": [{"numeric": [">", 20, "<", 30, "<", 50]}]}, "Too many terms"),
    ({str(key): ["a"] for key in range(6)}, "can not have more than 5 keys"),
    ({"a": [str(value) for value in range(151)]}, "too complex"),
    ({"a": list(range(16)), "b": list(range(10))}, "too complex"),
    # an array counts as often as it is deep
    ({"a": {"b": {"c": list(range(4))}}, "d": {"e": list(range(3))}, "f": list(range(3))}, "too complex"),
    (
        {
            "$or": [{"m": [1, 2, 3]}, {"n": [1, 2]}],
            "detail": {"scope": [1, 2], "$or": [{"source": [1]}, {"type": [1, 2, 3]}]},
        },
        "too complex",
    ),
    ({"$or": [{"a": ["1"]}, {"b": "2"}]}, '"b" must be an object or an array'),
    ({"$or": [{"a": ["1"]}, "b", {"c": ["1"]}]}, "Unrecognized match type a"),
]


@pytest.mark.parametrize(("policy", "text"), REFUSED, ids=lambda value: str(value)[:60])
def test_a_policy_is_refused(policy, text):
    """https://docs.aws.amazon.com/sns/latest/dg/subscription-filter-policy-constraints.html"""
    with pytest.raises(PolicyError) as raised:
        parse_policy(policy if isinstance(policy, str) else dumps(policy), True)

    assert text in str(raised.value)


ALLOWED = [
    {"a": [str(value) for value in range(150)]},
    {"a": list(range(15)), "b": list(range(10))},
    {"a": {"b": {"c": list(range(4))}}, "d": {"e": list(range(3))}},
    # 3 * 6 + 3 * 4 * 4 + 3 * 4 * 7
    {
        "s": [1, 2, 3],
        "$or": [{"n": list(range(6))}, {"t": list(range(4)), "$or": [{"i": [1, 2, 3, 4]}, {"j": list(range(7))}]}],
    },
    {str(key): ["a"] for key in range(5)},
    # the limit is of the keys at the top
    {"a": {str(key): ["a"] for key in range(4)}, "b": ["a"]},
]


@pytest.mark.parametrize("policy", ALLOWED, ids=lambda value: str(value)[:60])
def test_a_policy_at_the_limit_is_taken(policy):
    """https://docs.aws.amazon.com/sns/latest/dg/subscription-filter-policy-constraints.html"""
    assert parse_policy(dumps(policy), True) is not None


def test_a_policy_on_attributes_cannot_be_nested():
    """https://docs.aws.amazon.com/sns/latest/dg/subscription-filter-policy-constraints.html"""
    with pytest.raises(PolicyError, match="does not support nested"):
        parse_policy('{"a": {"b": ["c"]}}', False)


def test_a_policy_is_parsed_once():
    assert parse_policy('{"once": ["a"]}', False) is parse_policy('{"once": ["a"]}', False)


@given(st.lists(st.text(alphabet="ab"), min_size=1, max_size=4), st.lists(st.text(alphabet="ab"), max_size=4))
def test_an_asterisk_stands_for_any_text(parts, fillings):
    fillings = [*fillings, "", "", "", ""][: len(parts) - 1]
    pattern = "*".join(part or "a" for part in parts)
    value = "".join(
        part for pair in zip([part or "a" for part in parts], [*fillings, ""], strict=True) for part in pair
    )

    assert parse_condition({"wildcard": pattern})(value)


SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5)


@given(SCALARS, SCALARS)
def test_anything_but_is_the_contrary(expected, value):
    if isinstance(expected, bool) or expected is None:
        return
    assert parse_condition({"anything-but": expected})(value) is not parse_condition(expected)(value)
