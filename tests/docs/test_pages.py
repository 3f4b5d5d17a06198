"""
The code on the pages runs.

A comment before a block says how: `<!-- continues -->` goes on with the program of the block before, `<!-- file:
NAME -->` is only written to the page's directory, `<!-- run -->` before a console block runs its `$` lines there
and compares what they print, where `...` stands for anything.
"""

import sys
from dataclasses import dataclass
from doctest import ELLIPSIS, OutputChecker
from pathlib import Path
from re import DOTALL, MULTILINE, compile, split

import pytest


ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "docs" / "tutorial.md", *sorted((ROOT / "docs").glob("*/*.md"))]

BLOCK = compile(r"^(?:<!-- (?P<mark>[^\n]*) -->\n)?```(?P<language>\w+)\n(?P<code>.*?)^```$", DOTALL | MULTILINE)


@dataclass
class Block:
    mark: str
    language: str
    code: str

    @classmethod
    def find_all(cls, page):
        """Find the blocks of a page; Python keeps its line numbers, for tracebacks."""
        text = page.read_text()
        for match in BLOCK.finditer(text):
            padding = "\n" * text.count("\n", 0, match.start("code"))
            code = match["code"]
            if match["language"] == "python" and not (match["mark"] or "").startswith("file: "):
                code = padding + code
            yield cls(match["mark"] or "", match["language"], code)


def make_programs(blocks):
    programs = []
    for block in blocks:
        if block.language == "python" and block.mark == "continues":
            lines = programs[-1].count("\n")
            programs[-1] += block.code[lines:]
        elif block.language == "python" and not block.mark:
            programs.append(block.code)
    return programs


def write_files(blocks, directory):
    for block in blocks:
        if block.mark.startswith("file: "):
            (directory / block.mark.removeprefix("file: ")).write_text(block.code)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_code_of_page_runs(page, tmp_path, run_command):
    blocks = list(Block.find_all(page))
    write_files(blocks, tmp_path)
    (tmp_path / "examples").symlink_to(ROOT / "examples")

    for program in make_programs(blocks):
        path = tmp_path / f"{page.stem}_page.py"
        path.write_text(program)
        finished = run_command([sys.executable, str(path)], cwd=tmp_path)
        assert finished.returncode == 0, finished.stderr

    for block in blocks:
        if block.mark == "run":
            for session in split(r"^\$ ", block.code, flags=MULTILINE)[1:]:
                command, _, expected = session.partition("\n")
                finished = run_command(command, cwd=tmp_path)
                printed = finished.stdout + finished.stderr
                assert OutputChecker().check_output(expected, printed, ELLIPSIS), f"$ {command}\n{printed}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_marks_of_page_are_known(page):
    marks = {block.mark.partition(":")[0] for block in Block.find_all(page)}

    # blocks for clients of the server run in tests/peers
    assert marks <= {"", "continues", "file", "peer", "run"}


def test_program_of_readme_is_short():
    [program] = [block for block in Block.find_all(ROOT / "README.md") if block.mark.startswith("file: ")]

    assert len(program.code.splitlines()) <= 25
