"""
When a nacked message becomes visible again.
"""

from random import Random

import pytest

from microcosm_pubsub.backoff import (
    MAX_BACKOFF_TIMEOUT,
    BackoffPolicy,
    ExponentialBackoffPolicy,
    NaiveBackoffPolicy,
    make_backoff_policy,
)
from microcosm_pubsub.errors import ConfigurationError
from microcosm_pubsub.message import SQSMessage


def message(receives=None):
    return SQSMessage(None, {}, "a/b", "1", "1", approximate_receive_count=receives)


def test_the_limit():
    assert MAX_BACKOFF_TIMEOUT == 12 * 60 * 60


@pytest.mark.parametrize("policy", [NaiveBackoffPolicy(7), ExponentialBackoffPolicy()])
@pytest.mark.parametrize(
    ("asked", "expected"),
    [(0, 0), (1, 1), (600, 600), (-1, 0), (10**9, MAX_BACKOFF_TIMEOUT), (2.9, 2)],
)
def test_the_timeout_of_the_nack_wins(policy, asked, expected):
    actual = policy.compute_backoff_timeout(message(5), asked)

    assert actual == expected
    assert isinstance(actual, int)


def test_naive():
    assert NaiveBackoffPolicy(7).compute_backoff_timeout(message(), None) == 7
    assert NaiveBackoffPolicy(0).compute_backoff_timeout(message(), None) == 0
    assert NaiveBackoffPolicy().compute_backoff_timeout(message(), None) == 5
    assert NaiveBackoffPolicy(10**9).compute_backoff_timeout(message(), None) == MAX_BACKOFF_TIMEOUT


@pytest.mark.parametrize(
    ("receives", "most"),
    [(None, 1), (0, 1), (1, 1), (2, 3), (3, 7), (10, 1023), (16, 43200), (17, 43200), (10**6, 43200)],
)
def test_exponential(receives, most):
    policy = ExponentialBackoffPolicy(Random(0))

    timeouts = {policy.compute_backoff_timeout(message(receives), None) for _ in range(500)}

    assert 1 <= min(timeouts) <= max(timeouts) <= most
    assert most == 1 or len(timeouts) > 1


class ChildPolicy(NaiveBackoffPolicy):
    pass


class GrandchildPolicy(ChildPolicy):
    def __init__(self):
        super().__init__(99)


@pytest.mark.parametrize(
    ("name", "policy_cls", "timeout"),
    [
        ("NaiveBackoffPolicy", NaiveBackoffPolicy, 8),
        ("ChildPolicy", ChildPolicy, 8),
        ("GrandchildPolicy", GrandchildPolicy, 99),
        ("ExponentialBackoffPolicy", ExponentialBackoffPolicy, 1),
    ],
)
def test_a_policy_is_chosen_by_name(make_graph, name, policy_cls, timeout):
    config = {"backoff_policy": name, "message_retry_visibility_timeout_seconds": "8"}
    policy = make_graph(sqs_consumer=config).sqs_consumer.backoff_policy

    assert BackoffPolicy.choose_backoff_policy(name) is policy_cls
    assert type(policy) is policy_cls
    assert policy.compute_backoff_timeout(message(1), None) == timeout


def test_an_unknown_policy_is_refused(make_graph):
    with pytest.raises(ConfigurationError, match=r"'Nope'.*ExponentialBackoffPolicy"):
        make_backoff_policy("Nope", 5)
    with pytest.raises(ConfigurationError, match="'Nope'"):
        _ = make_graph(sqs_consumer={"backoff_policy": "Nope"}).sqs_consumer
