"""
What CI runs in parts is what `.ci/run` does on one machine, and what exists.
"""

from re import MULTILINE, findall
from tomllib import loads

import pytest
import yaml

from tests.house.ratchet import ROOT


CONFIG = yaml.safe_load((ROOT / ".circleci" / "config.yml").read_text())
RUN = (ROOT / ".ci" / "run").read_text()
MAKEFILE = (ROOT / "Makefile").read_text()


def find_commands(steps):
    for step in steps:
        command = step["run"] if isinstance(step, dict) and "run" in step else None
        if command is not None:
            yield command["command"] if isinstance(command, dict) else command


def find_targets(text):
    return {
        word
        for line in findall(r"\bmake (.*)", text)
        for word in line.split()
        if "=" not in word and word.replace("-", "").isalpha() and word.islower()
    }


def find_jobs(workflow):
    return [next(iter(job.items())) if isinstance(job, dict) else (job, {}) for job in workflow["jobs"]]


COMMANDS = {name: list(find_commands(job["steps"])) for name, job in CONFIG["jobs"].items()}
CHECKED = {name for name, _ in find_jobs(CONFIG["workflows"]["check"])}


def test_ci_makes_what_can_be_made():
    made = find_targets("\n".join(command for commands in COMMANDS.values() for command in commands))
    assert made - set(findall(r"^([a-z-]+):", MAKEFILE, flags=MULTILINE)) == set()


def test_ci_makes_what_the_script_does():
    made = find_targets("\n".join(command for name in CHECKED for command in COMMANDS[name]))
    assert find_targets(RUN) - made == set()


def test_all_supported_pythons_are_tried():
    classifiers = loads((ROOT / "pyproject.toml").read_text())["project"]["classifiers"]
    supported = [name.rpartition(" :: ")[2] for name in classifiers if " Python :: " in name]
    matrices = [job["matrix"]["parameters"] for name, job in find_jobs(CONFIG["workflows"]["check"]) if "matrix" in job]
    assert [matrix["python"] for matrix in matrices if "python" in matrix] == [supported]
    assert (CONFIG["parameters"]["oldest"]["default"], CONFIG["parameters"]["newest"]["default"]) == (
        supported[0],
        supported[-1],
    )


def test_shards_are_all_folders_that_make_knows():
    (jobs,) = [job for name, job in find_jobs(CONFIG["workflows"]["check"]) if name == "all"]
    shards = " ".join(jobs["matrix"]["parameters"]["shard"]).split()
    (folders,) = findall(r"^FOLDERS := .*\$\(UNITS\) ([a-z ]*)\)", MAKEFILE, flags=MULTILINE)
    (units,) = findall(r"^UNITS := (.*)$", MAKEFILE, flags=MULTILINE)
    assert sorted(shards) == sorted(f"{units} {folders}".split())


@pytest.mark.parametrize("workflow", ["check", "nightly"])
def test_workflows_have_jobs_that_exist(workflow):
    assert {name for name, _ in find_jobs(CONFIG["workflows"][workflow])} <= set(CONFIG["jobs"])
