"""
Hooks: functions that are called when a task begins, has succeeded, or has failed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from inspect import iscoroutinefunction, signature
from typing import Any

from microcosm_pubsub.errors import ConfigurationError
from microcosm_pubsub.registry.media_type import describe_name


#: What hooks are called for, and with what.
EVENTS = {"on_start": ("task",), "on_success": ("task", "result"), "on_error": ("task", "error")}

#: A function that is called when a call begins, has succeeded, or has failed: `(task)`, `(task, result)` and `(task,
#: error)`.
Hook = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class TaskHooks:
    """
    Functions that are called around a task; an error of a hook is logged, and changes nothing.

    :param on_start: `on_start(task)`, before each attempt
    :param on_success: `on_success(task, result)`
    :param on_error: `on_error(task, error)`, after each attempt that failed
    """

    on_start: Hook | None = None
    on_success: Hook | None = None
    on_error: Hook | None = None


NO_HOOKS = TaskHooks()


def check_hooks(holder: object) -> None:
    """
    Check the hooks that an object has under the names of their events.

    :raises ConfigurationError: if one cannot be called
    """
    for event, arguments in EVENTS.items():
        hook = getattr(holder, event)
        if hook is None:
            continue
        check_hook(event, hook)
        try:
            signature(hook).bind(*arguments)
        except TypeError:
            raise ConfigurationError(
                f"{event} is {describe_name(hook)}, but must be a function that takes ({', '.join(arguments)})"
            ) from None
        except ValueError:
            # Some that are not written in Python do not say what they take.
            pass


def check_hook(event: str, hook: Any) -> None:
    """
    Check that a hook is a function, and one that is over when it returns.

    :raises ConfigurationError: if it is not
    """
    if not callable(hook):
        raise ConfigurationError(f"{event} is {hook!r:.100}, but must be a function")
    if iscoroutinefunction(hook):
        raise ConfigurationError(
            f"{event} is {describe_name(hook)}, a coroutine function, for which nobody waits: declare it with `def`"
        )
