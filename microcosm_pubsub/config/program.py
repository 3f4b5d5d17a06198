"""
The name of the module that is run as a program.
"""

import sys
from pathlib import Path


#: The module that is run, and what `multiprocessing` calls it in a process that it starts, such as those of
#: `--processes 2`.
PROGRAM = ("__main__", "__mp_main__")


def find_module(name: str) -> str:
    """Return the name of a module as others import it: of a program that is run, that of its file."""
    if name not in PROGRAM:
        return name
    main = sys.modules.get(name)
    spec = getattr(main, "__spec__", None)
    if spec is not None and spec.name:
        return str(spec.name).removesuffix(".__main__")
    file = getattr(main, "__file__", None)
    return Path(file).stem if file else name
