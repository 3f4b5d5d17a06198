"""
When a delivery is tried again.

https://docs.aws.amazon.com/sns/latest/dg/sns-message-delivery-retries.html
"""

from json import dumps

import pytest

from microcosm_pubsub.broker.broker import Refusal
from microcosm_pubsub.broker.sns.delivery_policy import check_policy, policy_of


def delays(topic=None, **retries):
    own = {"DeliveryPolicy": dumps({"healthyRetryPolicy": retries})} if retries else {}
    policy = policy_of(own, topic or {})
    found = []
    while (delay := policy.delay_seconds(len(found) + 1)) is not None:
        found.append(delay)
    return found


def test_three_times_after_twenty_seconds_by_default():
    assert delays() == [20, 20, 20]


def test_four_phases():
    assert delays(
        minDelayTarget=1,
        maxDelayTarget=9,
        numRetries=8,
        numNoDelayRetries=1,
        numMinDelayRetries=2,
        numMaxDelayRetries=2,
    ) == [0, 1, 1, 1, 5, 9, 9, 9]


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        ("linear", [1, 3, 5, 7, 9]),
        ("arithmetic", [1, 1.5, 3, 5.5, 9]),
        ("geometric", [1, 1.125, 2, 4.375, 9]),
        ("exponential", [1, 1 + 8 / 15, 1 + 24 / 15, 1 + 56 / 15, 9]),
    ],
)
def test_each_function_grows_from_the_least_to_the_most(function, expected):
    assert delays(minDelayTarget=1, maxDelayTarget=9, numRetries=5, backoffFunction=function) == pytest.approx(expected)


def test_a_topic_has_a_default_which_it_can_insist_on():
    topic = {"http": {"defaultHealthyRetryPolicy": {"numRetries": 1}}}
    assert delays({"DeliveryPolicy": dumps(topic)}) == [20]
    assert delays({"DeliveryPolicy": dumps(topic)}, numRetries=2) == [20, 20]
    topic["http"]["disableSubscriptionOverrides"] = True
    assert delays({"DeliveryPolicy": dumps(topic)}, numRetries=2) == [20]


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        '{"healthyRetryPolicy": 1}',
        '{"healthyRetryPolicy": {"numRetries": 101}}',
        '{"healthyRetryPolicy": {"numRetries": -1}}',
        '{"healthyRetryPolicy": {"numRetries": true}}',
        '{"healthyRetryPolicy": {"numRetries": 1, "numNoDelayRetries": 2}}',
        '{"healthyRetryPolicy": {"minDelayTarget": 30}}',
        '{"healthyRetryPolicy": {"maxDelayTarget": 3601}}',
        '{"healthyRetryPolicy": {"maxDelayTarget": 1800, "minDelayTarget": 1800}}',
        '{"healthyRetryPolicy": {"backoffFunction": "wild"}}',
        '{"healthyRetryPolicy": {"retries": 1}}',
        '{"requestPolicy": {"headerContentType": "a\\r\\nb: c"}}',
    ],
)
def test_what_is_none_is_refused(text):
    with pytest.raises(Refusal, match="DeliveryPolicy"):
        check_policy(text)


def test_a_topic_says_it_in_its_own_way():
    check_policy('{"http": {"defaultHealthyRetryPolicy": {"numRetries": 5}}}', of_topic=True)
    with pytest.raises(Refusal, match="numRetries"):
        check_policy('{"http": {"defaultHealthyRetryPolicy": {"numRetries": 500}}}', of_topic=True)
