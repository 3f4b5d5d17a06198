"""
The installed packages: versions that cannot work, and extras that configuration needs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, requires, version
from importlib.util import find_spec
from platform import python_version
from typing import Any

from microcosm_pubsub.doctor.finding import Finding, error, ok
from microcosm_pubsub.version import VERSION


PACKAGE = "microcosm_pubsub"

#: The modules that an extra brings.
MODULES = {
    "broker": "alembic",
    "fast": "awscrt",
    "metrics": "microcosm_metrics",
    "msgspec": "msgspec",
    "otel": "opentelemetry",
    "postgres": "psycopg",
    "prometheus": "prometheus_client",
    "pydantic": "pydantic",
    "sentry": "sentry_sdk",
    "server": "uvicorn",
    "sql": "cronsim",
}

#: https://packaging.python.org/en/latest/specifications/dependency-specifiers/
REQUIREMENT = re.compile(r"\s*([A-Za-z0-9._-]+)\s*(?:\[[^\]]*\])?\s*\(?([^;)]*)\)?\s*(;.*)?")
CLAUSE = re.compile(r"\s*(>=|<=|==|!=|<|>)\s*([0-9][0-9.]*)\s*")

#: Extras that no daemon needs.
DEVELOPMENT = re.compile(r"extra == [\"'](dev|testing)")


def check_packages(config: Mapping[str, Any]) -> Iterator[Finding]:
    """
    Look at the installed packages.

    :param config: of the daemon, as it was loaded, by section
    """
    problems = list(iter_wrong_versions())
    for name, found, wanted in problems:
        yield error("packages", f"{name} is {found}, but must be {wanted}", f"pip install '{name}{wanted}'")
    missing = [(extra, why) for extra, why in iter_needed_extras(config) if not is_installed(MODULES[extra])]
    for extra, why in missing:
        yield error(
            "packages",
            f"{why} needs {MODULES[extra]}, which is not installed",
            f"pip install '{PACKAGE}[{extra}]'",
        )
    if not problems and not missing:
        extras = ", ".join(extra for extra, module in MODULES.items() if is_installed(module)) or "none"
        yield ok(
            "packages", f"{PACKAGE} {VERSION}, Python {python_version()}, boto3 {version('boto3')}; extras: {extras}"
        )


def iter_needed_extras(config: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Iterate over the extras that configuration needs, and the setting that needs each."""

    def get(section: str, key: str) -> str:
        return str((config.get(section) or {}).get(key) or "")

    for section in ("pubsub_broker", "pubsub_database"):
        url = get(section, "url")
        if url.startswith("postgresql") and "asyncpg" not in url:
            yield "postgres", f"{section}.url"
        elif url not in ("", "sqlite://"):
            yield "broker", f"{section}.url"
    for name in ("otel", "prometheus"):
        if name in get("pubsub_meters", "names"):
            yield name, "pubsub_meters.names"
    if get("sentry_logging_pubsub", "enabled").lower() in ("1", "on", "t", "true", "y", "yes"):
        yield "sentry", "sentry_logging_pubsub.enabled"
    for section in ("sqs_client", "sns_client"):
        if get(section, "transport") == "crt":
            yield "fast", f"{section}.transport"


def iter_wrong_versions() -> Iterator[tuple[str, str, str]]:
    """Iterate over the packages whose version is not one that we need: name, version, and the versions that we need."""
    try:
        requirements = requires(PACKAGE) or []
    except PackageNotFoundError:
        # The program runs from a folder, without having been installed.
        return
    for requirement in requirements:
        match = REQUIREMENT.match(requirement)
        if match is None or PACKAGE in requirement.replace("-", "_"):
            continue
        name, wanted, marker = match[1], match[2].strip(), match[3] or ""
        if DEVELOPMENT.search(marker):
            continue
        try:
            found = version(name)
        except PackageNotFoundError:
            if "extra" not in marker:
                yield name, "not installed", wanted
            continue
        if not all(is_allowed(found, clause) for clause in wanted.split(",") if clause):
            yield name, found, wanted


def is_allowed(found: str, clause: str) -> bool:
    """Return whether a version fulfils a clause such as `>=1.2`; one that cannot be read is let through."""
    match = CLAUSE.fullmatch(clause)
    if match is None:
        return True
    ours, theirs = to_numbers(found), to_numbers(match[2])
    length = max(len(ours), len(theirs))
    ours, theirs = (each + (0,) * (length - len(each)) for each in (ours, theirs))
    return {
        ">=": ours >= theirs,
        "<=": ours <= theirs,
        "==": ours == theirs,
        "!=": ours != theirs,
        "<": ours < theirs,
        ">": ours > theirs,
    }[match[1]]


def to_numbers(text: str) -> tuple[int, ...]:
    """Return the numbers with which a version begins."""
    match = re.match(r"\d+(\.\d+)*", text)
    return tuple(int(part) for part in match[0].split(".")) if match else ()


def is_installed(module: str) -> bool:
    """Return whether a module can be imported."""
    try:
        return find_spec(module) is not None
    except (ImportError, ValueError):
        return False
