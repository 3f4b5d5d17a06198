"""
The options with which one task is sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Any

from microcosm_pubsub.calls.hooks import EVENTS, Hook, check_hooks
from microcosm_pubsub.calls.merging import MERGES, Merge
from microcosm_pubsub.calls.message import MAX_ID_LENGTH
from microcosm_pubsub.errors import ConfigurationError
from microcosm_pubsub.producer import PublishOptions


MAX_KEY_LENGTH = 200


@dataclass(frozen=True, slots=True)
class SendOptions:
    """
    The options with which a task is sent.

    :param is_async: whether it runs elsewhere, some time; else it runs here and now, with the same hooks and retries,
        and sending it returns its value, or raises what it raised
    :param retries: how often it is tried again at most; its retry policy and its queue may allow less
    :param delay_seconds: how many seconds later it is published; that needs a database
    :param at: or then, a time with its zone; that needs a database too
    :param on_start: a hook, which is called where the task runs: declared by `@hook`
    :param on_success: a hook
    :param on_error: a hook
    :param task_id: identifies the call; by default it gets an id of its own
    :param group_id: its message group: FIFO topics keep the order within one
    :param cursor_key: of the tasks with a key one runs at a time, and one of each name waits; of the ledger alone
    :param merge: how the arguments of one that waits are merged: "keep", "replace", "append", or what a function of
        those of both makes of them, by name
    :raises ConfigurationError: if a value cannot work
    """

    is_async: bool = True
    retries: int | None = None
    delay_seconds: float | None = None
    at: datetime | None = None
    on_start: Hook | None = None
    on_success: Hook | None = None
    on_error: Hook | None = None
    task_id: str | None = None
    group_id: str | None = None
    cursor_key: str | None = None
    merge: str | Merge = "keep"

    def __post_init__(self) -> None:
        if not isinstance(self.is_async, bool):
            raise ConfigurationError(f"is_async is {self.is_async!r}, but must be true or false")
        if self.retries is not None and not (type(self.retries) is int and self.retries >= 0):
            raise ConfigurationError(f"retries is {self.retries!r}, but must be a whole number from 0")
        for name, limit in (("task_id", MAX_ID_LENGTH), ("cursor_key", MAX_KEY_LENGTH)):
            text = getattr(self, name)
            if text is not None and not (isinstance(text, str) and 0 < len(text) <= limit and text.isprintable()):
                raise ConfigurationError(
                    f"{name} is {text!r:.100}, but must be a text of at most {limit} characters that can be printed"
                )
        check_hooks(self)
        if not self.is_async and (self.delay_seconds is not None or self.at is not None):
            raise ConfigurationError("What runs here and now (is_async=False) has no delay_seconds, and no time")
        if not self.is_async and self.cursor_key is not None:
            raise ConfigurationError("What runs here and now (is_async=False) has no cursor_key")
        if not (callable(self.merge) or self.merge in MERGES):
            raise ConfigurationError(f"merge is {self.merge!r}, but must be {', '.join(MERGES)}, or a function")
        if self.cursor_key is None and self.merge != "keep":
            raise ConfigurationError("merge is of use with a cursor_key alone")
        # The producer's own checks judge the times and the group.
        self.to_publish_options()

    def with_options(self, more: Mapping[str, Any]) -> SendOptions:
        """
        Return these options, with others in their place.

        :raises ConfigurationError: if one is not known, or cannot work
        """
        known = [option.name for option in fields(self)]
        if unknown := sorted(more.keys() - set(known)):
            raise ConfigurationError(f"there is no option {', '.join(unknown)}; the options are {', '.join(known)}")
        return replace(self, **more)

    def to_publish_options(self) -> PublishOptions:
        """Return how its message is published."""
        return PublishOptions(group=self.group_id, delay_seconds=self.delay_seconds, at=self.at)

    def get_hooks(self) -> dict[str, Hook]:
        """Return its hooks, by event."""
        return {event: getattr(self, event) for event in EVENTS if getattr(self, event) is not None}


DEFAULT_SEND_OPTIONS = SendOptions()
