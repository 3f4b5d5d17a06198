"""
The errors of tasks that gave no result.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from microcosm_pubsub.calls.errors import CallError


class TaskFailed(CallError):
    """
    The task has failed for good.

    :param task_id: identifies it
    :param name: of its function
    :param error: the record of its last error: `type`, `message`, `traceback`
    """

    def __init__(self, task_id: str, name: str, error: Mapping[str, Any]) -> None:
        super().__init__(f"Task {name} {task_id} failed: {error.get('type')}: {error.get('message')}")
        self.task_id = task_id
        self.name = name
        self.error = dict(error)


class TaskCancelled(CallError):
    """The task was cancelled."""


class TaskTimeout(CallError, TimeoutError):
    """The task did not end in time; it goes on."""
