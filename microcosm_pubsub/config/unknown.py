"""
Configuration that nobody reads, because its key is misspelt.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from os import environ
from typing import Any


#: A section that is like one of ours by this much is taken for a misspelling of it; others are not ours to judge.
LIKENESS = 0.85


def find_unknown(
    loaded: Mapping[str, Any],
    known: Mapping[str, Iterable[str]],
    bound: Iterable[str],
    prefix: str,
    environment: Mapping[str, str] = environ,
) -> Iterator[str]:
    """
    Iterate over the faults of a configuration's keys, one sentence each.

    :param loaded: the configuration, as it was loaded
    :param known: our sections, and the keys of each
    :param bound: the names of all components, which are sections of others
    :param prefix: the name of the graph, with which its variables in the environment begin
    """
    others = set(bound) - set(known)
    for section, values in loaded.items():
        if section in others:
            continue
        if section not in known:
            if nearest := get_close_matches(section, known, 1, LIKENESS):
                yield _describe(prefix, environment, section, None, nearest[0])
            continue
        for key in values if isinstance(values, Mapping) else ():
            if key not in known[section]:
                nearest = get_close_matches(key, known[section], 1, 0.5)
                yield _describe(prefix, environment, section, key, nearest[0] if nearest else None)


def _describe(prefix: str, environment: Mapping[str, str], section: str, key: str | None, nearest: str | None) -> str:
    parts = [section] if key is None else [section, key]
    start = "__".join(part.upper() for part in (prefix.replace("-", "_"), *parts))
    variable = next((name for name in sorted(environment) if name == start or name.startswith(f"{start}__")), None)
    where = f"the variable {variable}" if variable else f"configuration {'.'.join(parts)}"
    what = f"no section {section}" if key is None else f"{section} has no key {key}"
    hint = f"; did you mean {nearest}?" if nearest else ""
    return f"Nobody reads {where}: {what if key is not None else f'there is {what}'}{hint}"
