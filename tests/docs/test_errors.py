"""The reference of the errors names every class that there is, and no other."""

from importlib import import_module
from inspect import getmembers, isclass
from pathlib import Path
from re import MULTILINE, findall, match, search

from microcosm_pubsub import errors
from microcosm_pubsub.calls import errors as call_errors
from microcosm_pubsub.chain import exceptions
from microcosm_pubsub.ledger import errors as ledger_errors
from microcosm_pubsub.sql import errors as sql_errors


PAGE = Path(__file__).parents[2] / "docs" / "reference" / "errors.md"


def test_documented_errors_are_those_that_exist():
    existing = {
        name
        for module in (errors, call_errors, exceptions, ledger_errors, sql_errors)
        for name, cls in getmembers(module, isclass)
        if issubclass(cls, Exception) and cls.__module__ == module.__name__
    }
    documented = findall(r"^\| `(\w+)` \| [^|]+ \| [^|]+ \|$", PAGE.read_text(), flags=MULTILINE)

    assert sorted(documented) == sorted(existing)


def test_each_is_imported_from_where_the_page_says():
    module, missing = "", []
    for line in PAGE.read_text().splitlines():
        if line.startswith("#"):
            module = "microcosm_pubsub.errors"
        elif said := search(r"from `(microcosm_pubsub[\w.]*)`", line):
            module = said[1]
        elif (row := match(r"\| `(\w+)` \|", line)) and not hasattr(import_module(module), row[1]):
            missing.append(f"{module}.{row[1]}")

    assert missing == []
