"""
The names of botocore that the short way leans on, and a short way that does not find one of them.

A release of botocore that calls something otherwise looks, from here, like code of ours that asks for a name which does
not exist. So the modules of the short way are compiled anew with one name changed, and botocore stays as it is.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from re import fullmatch
from types import ModuleType
from typing import Any

import microcosm_pubsub


PACKAGE = Path(microcosm_pubsub.__file__).parent

#: The modules that know botocore from inside; all are imported anew.
TRANSPORT = "microcosm_pubsub.fast.transport"
FORK = "microcosm_pubsub.clients.fork"
BOTO = "microcosm_pubsub.clients.boto"

#: Stands at the end of a name that nobody has.
GONE = "_that_is_gone"


def iter_trees() -> Iterator[ast.Module]:
    for path in [*sorted((PACKAGE / "fast" / "transport").glob("*.py")), PACKAGE / "clients" / "fork.py"]:
        yield ast.parse(path.read_text())


def is_private(name: str) -> bool:
    return fullmatch(r"_[a-z]\w*", name) is not None


def find_imported(tree: ast.Module) -> dict[str, tuple[str, str]]:
    """Return what a module imports from botocore: where it comes from, by the name that it has here."""
    return {
        alias.asname or alias.name: (node.module, alias.name)
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("botocore.")
        for alias in node.names
    }


def find_replaced(tree: ast.Module, node: ast.ClassDef) -> set[str]:
    """Return the private methods that a class has in the place of its base's, if that is botocore's."""
    imported = find_imported(tree)
    bases = [
        getattr(import_module(imported[base.id][0]), imported[base.id][1])
        for base in node.bases
        if isinstance(base, ast.Name) and base.id in imported
    ]
    names = [each.name for each in node.body if isinstance(each, ast.FunctionDef) and is_private(each.name)]
    return {name for name in names if any(hasattr(base, name) for base in bases)}


def find_private_names() -> list[str]:
    """Return the private names that the modules ask of objects that are not theirs, or have in the place of theirs."""
    theirs: set[str] = set()
    ours: set[str] = set()
    texts: set[str] = set()
    slots: set[str] = set()
    for tree in iter_trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and is_private(node.attr):
                is_own = isinstance(node.value, ast.Name) and node.value.id == "self"
                (slots if is_own else theirs).add(node.attr)
            elif isinstance(node, ast.ClassDef):
                replaced = find_replaced(tree, node)
                theirs |= replaced
                for each in node.body:
                    if isinstance(each, ast.FunctionDef) and each.name not in replaced:
                        ours.add(each.name)
                    elif isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name):
                        ours.add(each.target.id)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and is_private(node.value):
                texts.add(node.value)
    # `super()._make_api_call` is botocore's, by whatever name the class before it is known.
    ours.discard("_make_api_call")
    return sorted((theirs - ours) | (texts - slots - ours))


def find_imports() -> list[str]:
    """Return what the modules import from botocore, as `module:name`."""
    return sorted({f"{module}:{name}" for tree in iter_trees() for module, name in find_imported(tree).values()})


class Renaming(ast.NodeTransformer):
    """Changes one name, wherever it is asked for."""

    def __init__(self, name: str) -> None:
        self.module, _, self.name = name.rpartition(":")

    def change(self, name: str) -> str:
        return name + GONE if name == self.name and not self.module else name

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        node.attr = self.change(node.attr)
        return self.generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.name = self.change(node.name)
        return self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        if isinstance(node.value, str):
            node.value = self.change(node.value)
        return node

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.AST:
        for alias in node.names:
            if self.module == node.module and alias.name == self.name:
                alias.asname, alias.name = alias.asname or alias.name, alias.name + GONE
        return node


class RenamingLoader(SourceFileLoader):
    """Loads a module in which one name is another one."""

    def __init__(self, fullname: str, path: str, name: str) -> None:
        super().__init__(fullname, path)
        self._name = name

    def get_code(self, fullname: str) -> Any:
        path = self.get_filename(fullname)
        tree = Renaming(self._name).visit(ast.parse(Path(path).read_text()))
        return compile(ast.fix_missing_locations(tree), path, "exec")


class RenamingFinder:
    """Finds the modules of the short way, so that they are loaded with one name changed."""

    def __init__(self, name: str) -> None:
        self._name = name

    def find_spec(self, fullname: str, path: Any = None, target: ModuleType | None = None) -> ModuleSpec | None:
        if not fullname.startswith((TRANSPORT, FORK)):
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.origin is not None:
            spec.loader = RenamingLoader(fullname, spec.origin, self._name)
        return spec


@contextmanager
def without(name: str) -> Iterator[tuple[ModuleType, ModuleType]]:
    """
    Import what makes clients, and the short way, as they are with a botocore that has not some name.

    :param name: a private name, or `module:name` for one that is imported; an empty one changes nothing
    """
    known = {
        module: sys.modules.pop(module) for module in list(sys.modules) if module.startswith((TRANSPORT, FORK, BOTO))
    }
    finder = RenamingFinder(name)
    sys.meta_path.insert(0, finder)
    try:
        yield import_module(BOTO), import_module(TRANSPORT)
    finally:
        sys.meta_path.remove(finder)
        for module in [each for each in sys.modules if each.startswith((TRANSPORT, FORK, BOTO))]:
            del sys.modules[module]
        sys.modules.update(known)
        for module, value in known.items():
            parent, _, child = module.rpartition(".")
            setattr(sys.modules[parent], child, value)
