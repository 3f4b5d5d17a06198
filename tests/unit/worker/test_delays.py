"""
The wait before something is tried again.
"""

from random import Random

import pytest

from microcosm_pubsub.worker.delays import growing_delay


CASES = [(0, 0.25, 0.5), (1, 0.5, 1), (3, 2, 4), (9, 15, 30), (10_000, 15, 30)]


@pytest.mark.parametrize(("tries", "least", "most"), CASES)
def test_it_grows_up_to_a_bound_and_half_of_it_is_random(tries, least, most):
    random = Random(1)
    delays = [growing_delay(tries, 0.5, 30.0, random) for _ in range(100)]

    assert least <= min(delays) < max(delays) <= most
    assert max(delays) - min(delays) > 0.8 * (most - least)
