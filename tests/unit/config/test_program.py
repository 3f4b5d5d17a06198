"""
The name of the program's module, as whoever imports it calls it.
"""

import sys
from subprocess import run

import pytest


PROGRAM = """
from multiprocessing import get_context

from microcosm_pubsub import task
from microcosm_pubsub.sql.transactions import name_of


@task
def paint(color: str) -> None: ...


def store(content) -> bool: ...


def tell() -> None:
    print(paint.name, name_of(store), flush=True)


if __name__ == "__main__":
    tell()
    # That is how the processes of a daemon are started.
    process = get_context("spawn").Process(target=tell)
    process.start()
    process.join()
"""


def test_the_main_module_of_a_package_has_one_name(tmp_path):
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "__init__.py").touch()
    (tmp_path / "shop" / "__main__.py").write_text(PROGRAM.partition("if __name__")[0] + "tell()\n")

    told = [
        run([sys.executable, *argv], cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60).stdout
        for argv in (["-m", "shop"], ["-c", "import shop.__main__"])
    ]

    assert told == ["shop.paint shop.store\n"] * 2


@pytest.mark.parametrize("argv", [["painting.py"], ["-m", "painting"]])
def test_a_program_is_named_by_its_file_also_in_processes_of_its_own(tmp_path, argv):
    (tmp_path / "painting.py").write_text(PROGRAM)

    told = run([sys.executable, *argv], cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60).stdout

    assert told.splitlines() == ["painting.paint painting.store"] * 2
