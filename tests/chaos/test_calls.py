"""
A bounded form of the chaos of calls; `make chaos PLAN=calls` is the long one.
"""

from tests.chaos.calls import run_calls


def test_callers_and_services_are_killed():
    outcome = run_calls(seed=11, calls=600, kills=8)

    assert outcome.violations == []
    assert outcome.counts["killed"] == 8
    assert outcome.counts["right"] > outcome.counts["timeout"]
