"""
Run all targets of the fuzzer, each in a process of its own, and tell how many inputs they had.
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from importlib.util import find_spec
from pathlib import Path
from subprocess import PIPE, Popen
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.table import Table


TARGETS = {"bodies": "bodies and attributes of messages", "policies": "filter policies"}

#: Of the processes, so many for each target.
SHARES = {"bodies": 0.8, "policies": 0.2}


def main() -> None:
    """Fuzz, one target after another, and exit 1 if an input broke anything."""
    parser = ArgumentParser(prog="python -m tests.fuzz", description="Make up inputs, and see what they break")
    parser.add_argument("--seconds", type=float, default=60.0, help="in all (60)")
    parser.add_argument("--processes", type=int, default=1, help="at a time (1)")
    arguments = parser.parse_args()
    if find_spec("atheris") is None:
        sys.exit(
            "atheris is not installed, and there may be no wheel of it for this Python or system: pip install atheris. "
            "What hypothesis makes up is part of the tests: pytest tests/unit/test_fuzz.py"
        )
    table = Table("target", "inputs", "broke", title="Fuzzed")
    failed = False
    for name, what in TARGETS.items():
        count, broke = fuzz(name, arguments.seconds * SHARES[name], arguments.processes)
        failed = failed or bool(broke)
        table.add_row(what, f"{count:,}", str(broke))
    Console().print(table)
    sys.exit(int(failed))


def fuzz(name: str, seconds: float, processes: int) -> tuple[int, int]:
    """Fuzz a target, and return how many inputs it had, and how many processes one of them broke."""
    with TemporaryDirectory(prefix="fuzz-") as directory:
        running = []
        for number in range(processes):
            corpus = Path(directory) / str(number)
            corpus.mkdir()
            command = [sys.executable, "-m", "tests.fuzz.target", name, str(seconds), str(corpus)]
            running.append(Popen(command, stdout=PIPE, text=True))
        outputs = [process.communicate()[0].split() for process in running]
        counts = [int(output[-1]) for output in outputs if output and output[-1].isdigit()]
        return sum(counts), sum(process.returncode != 0 for process in running)


if __name__ == "__main__":
    main()
