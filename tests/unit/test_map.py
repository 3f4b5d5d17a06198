"""
The map in the package's docstring is the layers contract, and names every module.
"""

from pathlib import Path
from re import findall, match
from tomllib import loads

import microcosm_pubsub


ROOT = Path(microcosm_pubsub.__file__).parent


def read_map():
    lines = [line for line in (microcosm_pubsub.__doc__ or "").splitlines() if line.startswith("- ")]
    return [sorted(findall(r"`(\w+)`", match(r"- ([^:]*):", line)[1])) for line in lines]


def read_contract():
    settings = loads((ROOT.parent / "pyproject.toml").read_text())
    (contract,) = [each for each in settings["tool"]["importlinter"]["contracts"] if each["type"] == "layers"]
    return [sorted(name.strip() for name in line.replace(":", "|").split("|")) for line in contract["layers"]]


def test_the_map_is_the_layers_contract():
    assert read_map() == list(reversed(read_contract()))


def test_the_map_names_every_module():
    modules = {path.stem for path in ROOT.glob("*.py")} | {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert sorted(name for line in read_map() for name in line) == sorted(modules - {"__init__"})
