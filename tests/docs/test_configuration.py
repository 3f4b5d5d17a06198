"""The reference of the configuration names every key that there is, with its default, and no other."""

from importlib.metadata import entry_points
from json import loads
from pathlib import Path
from re import MULTILINE, findall

from microcosm.config.model import Requirement
from microcosm.registry import get_defaults


PAGE = Path(__file__).parents[2] / "docs" / "reference" / "configuration.md"

#: Read by nested keys, so that no default of a factory names them.
NESTED = {"sns_topic_arns.<change>.<resource>"}


def iter_existing():
    for entry_point in entry_points(group="microcosm.factories"):
        if entry_point.value.startswith("microcosm_pubsub."):
            for key, value in get_defaults(entry_point.load()).items():
                yield f"{entry_point.name}.{key}", default_of(value)


def default_of(value):
    if not isinstance(value, Requirement):
        return value
    return value.default_value if value.default_factory is None else value.default_factory()


def iter_documented():
    rows = findall(r"^\| `([\w.<>]+)` \| [^|]+ \| ([^|]+) \| [^|]+ \|$", PAGE.read_text(), flags=MULTILINE)
    for key, default in rows:
        yield key, None if default == "none" else loads(default.strip("`"))


def test_documented_keys_are_those_that_exist():
    assert {key for key, _ in iter_documented()} == {key for key, _ in iter_existing()} | NESTED


def test_documented_defaults_are_those_that_hold():
    documented = dict(iter_documented())

    assert {key: documented.get(key, "undocumented") for key, _ in iter_existing()} == dict(iter_existing())


def test_no_key_is_documented_twice():
    keys = [key for key, _ in iter_documented()]

    assert sorted(set(keys)) == sorted(keys)
