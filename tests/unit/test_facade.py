"""
What users import from the package itself.
"""

from subprocess import run
from sys import executable

import pytest

import microcosm_pubsub


def test_all_names_are_there():
    for name in microcosm_pubsub.__all__:
        value = getattr(microcosm_pubsub, name)
        assert getattr(value, "__module__", "").startswith("microcosm_pubsub") or callable(value)
    assert set(microcosm_pubsub.__all__) <= set(dir(microcosm_pubsub))
    assert sorted(microcosm_pubsub._HOMES) == sorted(microcosm_pubsub.__all__)


def test_others_are_not():
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        microcosm_pubsub.nothing  # noqa: B018


@pytest.mark.parametrize("name", ["handles", "schema", "Nack", "RetryPolicy", "PubSubMessageSchema", "created"])
def test_a_name_does_not_load_boto3(name):
    program = f"import sys; from microcosm_pubsub import {name}; sys.exit('boto3' in sys.modules)"

    assert run([executable, "-c", program], check=False).returncode == 0
