"""
What is declared is about tests that there are.
"""

from pathlib import Path
from re import MULTILINE, findall


def test_declared_tests_exist(declared):
    found = set()
    for path in Path(__file__).parent.glob("test_*.py"):
        module = path.stem.removeprefix("test_")
        found |= {f"{module}.{name}" for name in findall(r"^def test_(\w+)", path.read_text(), flags=MULTILINE)}
    assert declared - found == set()
