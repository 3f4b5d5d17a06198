"""
The picture in docs/explanation/architecture.md is what the code gives.
"""

import sys
from os import environ
from subprocess import run

from tests.house.architecture import PICTURE, ROOT


def test_the_picture_is_what_the_code_gives(tmp_path):
    # A program of its own: a schema that is declared here would be seen by other tests.
    plainly = {"PUBSUB_PLAIN": ""}
    picture = tmp_path / "architecture.svg"

    run(
        [sys.executable, "-m", "tests.house.architecture", str(picture)],
        cwd=ROOT,
        env=dict(environ) | plainly,
        check=True,
        capture_output=True,
    )

    assert picture.read_text() == PICTURE.read_text(), "if it was meant, run python -m tests.house.architecture"
