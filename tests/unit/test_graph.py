"""
The types of a graph's components are those that their factories return, and every component has one.
"""

from importlib.metadata import entry_points
from inspect import getsource, isclass, unwrap
from re import findall

import pytest

from microcosm_pubsub.graph import PubSubGraph


COMPONENTS = {
    point.name: point
    for point in entry_points(group="microcosm.factories")
    if point.value.startswith("microcosm_pubsub")
}

#: What every graph has, or others bind.
GIVEN = {"config", "loader", "logger", "metadata", "opaque"}


def test_every_component_has_a_type():
    assert sorted(set(PubSubGraph.__annotations__) - GIVEN) == sorted(COMPONENTS)


@pytest.mark.parametrize("name", sorted(COMPONENTS))
def test_it_is_what_the_factory_returns(name):
    factory = unwrap(COMPONENTS[name].load())

    if isclass(factory):
        assert PubSubGraph.__annotations__[name] == factory.__name__
    else:
        returned = findall(r"def \w+\(graph: PubSubGraph\) -> (.+):\n", getsource(factory))
        assert returned == [PubSubGraph.__annotations__[name]]
