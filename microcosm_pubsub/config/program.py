"""
The name of the module that is run as a program.
"""

import sys
from pathlib import Path


#: The module that is run, and what `multiprocessing` calls it in a process that it starts, such as those of
#: `--processes 2`.
PROGRAM = ("__main__", "__mp_main__")

MAIN_SUFFIX = ".__main__"


def find_hidden_module(kind: type) -> str | None:
    """
    Return the module of a class that is declared in a program, if processes that the program starts do not have it.

    `multiprocessing` does not run the main module of a package again.
    """
    spec = getattr(sys.modules.get(PROGRAM[0]), "__spec__", None)
    name = str(spec.name) if spec is not None else ""
    return name if kind.__module__ == PROGRAM[0] and f".{name}".endswith(MAIN_SUFFIX) else None


def find_module(name: str) -> str:
    """
    Return the name of a module as others import it: of a program that is run, that of its file.

    The main module of a package has the name of the package, run or imported.
    """
    if name not in PROGRAM:
        return name.removesuffix(MAIN_SUFFIX)
    main = sys.modules.get(name)
    spec = getattr(main, "__spec__", None)
    if spec is not None and spec.name:
        return str(spec.name).removesuffix(MAIN_SUFFIX)
    file = getattr(main, "__file__", None)
    return Path(file).stem if file else name
