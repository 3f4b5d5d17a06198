"""
What can be done about an error of a SQLite file.
"""

from re import match

import pytest

from microcosm_pubsub.config.sqlite_advice import find_sqlite_advice


@pytest.mark.parametrize(
    ("said", "advice"),
    [
        ("database is locked", "another program has not ended its transaction for 3 s; see which .*`fuser -v a.db`"),
        ("database or disk is full", "make room on its disk"),
        ("disk I/O error", "see whether its disk is full, or fails"),
        ("attempt to write a readonly database", "let this user write the file, those beside it, and their folder"),
        ("unable to open database file", "see that its folder is there"),
        ("file is not a database", "name the file of a database"),
        ("database disk image is malformed", "the file is damaged: put back a copy"),
    ],
)
def test_what_can_be_done_is_said(said, advice):
    assert match(advice, find_sqlite_advice(said, "a.db", 3) or "")


def test_what_nobody_knows_is_not():
    assert find_sqlite_advice("no such table: parcel", "a.db", 3) is None
