"""
Findings: that something is well, doubtful, or wrong, and what to do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


Level = Literal["ok", "warning", "error"]


@dataclass(frozen=True, slots=True)
class Finding:
    """
    Something that was looked at.

    :param check: its subject, in a word or two
    :param level: "ok"; "warning" for what may be meant so; "error" for what loses messages, or keeps the daemon from
        starting
    :param text: the finding, and on what
    :param advice: the remedy; empty if none is needed
    """

    check: str
    level: Level
    text: str
    advice: str = ""

    def to_dict(self) -> dict[str, str]:
        """Return it for machines."""
        return {"check": self.check, "level": self.level, "text": self.text, "advice": self.advice}


def ok(check: str, text: str) -> Finding:
    """Return that something is well."""
    return Finding(check, "ok", text)


def warning(check: str, text: str, advice: str) -> Finding:
    """Return that something is doubtful, and what to do."""
    return Finding(check, "warning", text, advice)


def error(check: str, text: str, advice: str) -> Finding:
    """Return that something is wrong, and what to do."""
    return Finding(check, "error", text, advice)
