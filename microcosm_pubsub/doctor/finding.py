"""
Findings: that something is well, doubtful, or wrong, and what to do.
"""

from __future__ import annotations

from dataclasses import dataclass
from os import W_OK, access
from pathlib import Path
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


def judge_absent(check: str, path: str, made: str) -> Finding:
    """
    Return what it means that a file is not there which the daemon makes when it starts.

    :param made: what it makes then
    """
    folder = Path(path).absolute().parent
    if not folder.is_dir():
        return error(check, f"{path} cannot be made: there is no folder {folder}", "make it, or correct the URL")
    if not access(folder, W_OK):
        return error(check, f"{path} cannot be made: {folder} is read-only", "let the daemon write there")
    return ok(check, f"{path} is not there yet: the daemon makes {made} when it starts")


def warning(check: str, text: str, advice: str) -> Finding:
    """Return that something is doubtful, and what to do."""
    return Finding(check, "warning", text, advice)


def error(check: str, text: str, advice: str) -> Finding:
    """Return that something is wrong, and what to do."""
    return Finding(check, "error", text, advice)
