"""
Errors of decorators, as somebody sees them who starts the program.
"""

from subprocess import run
from sys import executable

import pytest

from microcosm_pubsub.decorators import handles
from microcosm_pubsub.errors import ConfigurationError


PROGRAM = """
from microcosm_pubsub import ConsumerDaemon, handles

@handles("application/vnd.test.order", timeout_seconds=-1)
def order_created(message):
    return True
"""


def start(program):
    return run([executable, "-c", program], capture_output=True, text=True, check=False)


def test_a_program_ends_with_one_line():
    finished = start(PROGRAM)

    assert finished.returncode == 1
    assert finished.stderr == (
        "Cannot start: @handles of order_created: timeout_seconds is -1, but must be a number of seconds above 0\n"
    )


def test_other_errors_keep_their_traceback():
    finished = start(f"try:\n    exec({PROGRAM!r})\nexcept Exception:\n    pass\nraise KeyError('mine')")

    assert "Traceback" in finished.stderr
    assert "KeyError: 'mine'" in finished.stderr


def test_a_test_can_catch_it():
    with pytest.raises(ConfigurationError, match=r"@handles of .*<lambda>: there is no option size"):
        handles("application/vnd.test.order", size=1)(lambda message: True)  # type: ignore[call-overload]
