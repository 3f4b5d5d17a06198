"""
The answer of a route to a GET, and the routes that answer with a report.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from json import dumps
from typing import Any, TypeAlias


#: A report on a daemon's work and health; it has the keys `healthy` and `ready`.
Report: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """
    The answer to a request.

    :param body: its bytes
    :param status: its HTTP status code
    """

    body: bytes
    content_type: str = "text/plain; charset=utf-8"
    status: int = 200


#: Answers a GET of one path; it is called in a thread of its own.
Route: TypeAlias = Callable[[], Answer]


def report_routes(get_report: Callable[[], Report]) -> dict[str, Route]:
    """Return the routes that say whether a daemon is healthy, and whether it is ready."""

    def health() -> Answer:
        report = get_report()
        return json_answer(report, is_ok=report["healthy"])

    def ready() -> Answer:
        is_ready = get_report()["ready"]
        return json_answer({"ready": is_ready}, is_ok=is_ready)

    return {"/api/health": health, "/api/ready": ready}


def json_answer(value: Any, is_ok: bool) -> Answer:
    """Return a JSON answer of status 200, or 503."""
    return Answer(dumps(value).encode(), "application/json", 200 if is_ok else 503)
