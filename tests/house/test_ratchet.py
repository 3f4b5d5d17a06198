"""
The limits of CONTRIBUTING.md: what is larger than it should be may only become smaller.
"""

import json
from statistics import median

from tests.house.ratchet import MAX_MEDIAN_MODULE, NAMES, SIZES, fall, find_large, iter_modules, iter_names


HINT = "if it was meant, run python -m tests.house.ratchet"


def test_nothing_grows_beyond_its_limit():
    known = json.loads(SIZES.read_text())

    grown = {name: lines for name, lines in find_large().items() if lines > known.get(name, 0)}

    assert grown == {}, f"{grown} are larger than they should be: make two of one"


def test_what_has_shrunk_stays_small():
    found = find_large()

    shrunk = {
        name: found.get(name) for name, lines in json.loads(SIZES.read_text()).items() if found.get(name) != lines
    }

    assert shrunk == {}, f"{shrunk}: write it down with python -m tests.house.ratchet"


def test_what_has_grown_is_not_written_down():
    assert fall({"a": 310, "b": 400, "c": 330}, {"a": 320, "b": 390, "d": 301}) == {"a": 310, "b": 390}


def test_most_modules_are_small():
    assert median(lines for _, _, lines in iter_modules()) < MAX_MEDIAN_MODULE


def test_what_can_be_imported_is_what_could_be():
    """Users import more than what we call public: a name that goes is a decision."""
    known = set(NAMES.read_text().split())
    found = set(iter_names())

    assert known - found == set(), f"names are gone; {HINT}"
    assert found - known == set(), f"names are new; {HINT}"
