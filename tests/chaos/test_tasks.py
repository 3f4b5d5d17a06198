"""
A bounded form of the chaos of tasks; `make chaos PLAN=tasks` is the long one.
"""

from tests.chaos.tasks import run_tasks


def test_daemons_are_killed_while_they_run_tasks():
    outcome = run_tasks(seed=17, tasks=400, kills=8, keys=20)

    assert outcome.violations == []
    assert outcome.counts["killed"] == 8
    assert outcome.counts["completed"] > 50
