"""
What of the code is larger than it should be, and what can be imported from where.

    python -m tests.house.ratchet     writes both down, after a change that was meant
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from pathlib import Path


ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "microcosm_pubsub"

SIZES = Path(__file__).with_name("sizes.json")
NAMES = Path(__file__).with_name("names.txt")

#: Lines, at most; what is larger has its number in `sizes.json`, which may only fall.
MAX_MODULE = 300
MAX_CLASS = 250
MAX_FUNCTION = 50
MAX_MEDIAN_MODULE = 100


def iter_modules() -> Iterator[tuple[str, ast.Module, int]]:
    """Iterate over the modules: path, tree, number of lines."""
    for path in sorted(PACKAGE.rglob("*.py")):
        text = path.read_text()
        yield str(path.relative_to(PACKAGE)), ast.parse(text), len(text.splitlines())


def iter_sizes() -> Iterator[tuple[str, int, int]]:
    """Iterate over modules, classes and functions: name, lines, and the lines that it may have."""
    for path, tree, lines in iter_modules():
        yield path, lines, MAX_MODULE
        for node in ast.walk(tree):
            size = (node.end_lineno or 0) - node.lineno + 1 if isinstance(node, ast.stmt) else 0
            if isinstance(node, ast.ClassDef):
                yield f"{path}:{node.name}", size, MAX_CLASS
            elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                yield f"{path}:{node.name}()", size, MAX_FUNCTION


def find_large() -> dict[str, int]:
    """Return what is larger than it should be, and its lines."""
    found: dict[str, int] = {}
    for name, lines, most in iter_sizes():
        if lines > most:
            found[name] = max(lines, found.get(name, 0))
    return dict(sorted(found.items()))


def iter_names() -> Iterator[str]:
    """Iterate over what can be imported: what modules define, and what they list in `__all__`."""
    for path, tree, _ in iter_modules():
        module = path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        if any(part.startswith("_") for part in module.split(".") if part != "__init__"):
            continue
        names = set()
        for node in tree.body:
            if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
                names.add(node.name)
            elif isinstance(node, (ast.Assign, ast.AnnAssign)):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                own = [target.id for target in targets if isinstance(target, ast.Name)]
                names.update(own)
                if own == ["__all__"] and node.value is not None:
                    names.update(ast.literal_eval(node.value))
        yield from sorted(f"{module}:{name}" for name in names if not name.startswith("_"))


def fall(known: dict[str, int], found: dict[str, int]) -> dict[str, int]:
    """Return what is, and was, larger than it should be, with the lower number: none rises, and none is new."""
    return {name: min(lines, known[name]) for name, lines in found.items() if name in known}


def main() -> None:
    """Write both down; what has grown beyond its limit is left for the test to tell."""
    sizes = fall(json.loads(SIZES.read_text()), find_large())
    SIZES.write_text(json.dumps(sizes, indent=2) + "\n")
    NAMES.write_text("\n".join(iter_names()) + "\n")


if __name__ == "__main__":
    main()
