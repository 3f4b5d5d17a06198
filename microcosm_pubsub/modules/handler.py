"""
Handler modules, imported and checked.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from importlib import import_module
from inspect import isasyncgenfunction, isgeneratorfunction
from types import ModuleType

from microcosm_pubsub.errors import ConfigurationError
from microcosm_pubsub.middleware.handler_call import is_async
from microcosm_pubsub.modules.config import Config, Queue


def load_module(queue: Queue) -> ModuleType:
    """
    Return the handler module of a queue.

    :raises ConfigurationError: if it cannot be imported, or has no function `process`, or one that a call does not run
    """
    if sys.path[:1] != [""]:
        sys.path.insert(0, "")
    try:
        module = import_module(queue.handler)
    except Exception as error:
        # A module is user code, which runs here for the first time.
        raise ConfigurationError(
            f"Could not import module {queue.handler!r}, the handler of {queue.name}: {type(error).__name__}: {error}"
        ) from error
    if not callable(getattr(module, "process", None)):
        raise ConfigurationError(
            f"Handler {queue.handler!r} of {queue.name} is missing a 'process' function: process(dbsession, record)"
        )
    if is_async(module.process) or isgeneratorfunction(module.process) or isasyncgenfunction(module.process):
        # Its record would be taken for processed.
        raise ConfigurationError(
            f"The 'process' function of handler {queue.handler!r} of {queue.name} is a coroutine or a generator, whose "
            "call runs nothing of it: declare it with `def`, without `yield`; a daemon takes coroutines"
        )
    return module


def load_modules(config: Config, names: Iterable[str] | None = None) -> dict[str, ModuleType]:
    """
    Return the handler modules of queues, by the queue's name.

    :param names: of the queues; by default all that have a handler module
    :raises ConfigurationError: with all that are wrong
    """
    queues = [config.get_queue(name) for name in names] if names is not None else list(config.queues.values())
    found: dict[str, ModuleType] = {}
    problems: list[str] = []
    for queue in queues:
        if queue.is_daemon:
            continue
        try:
            found[queue.name] = load_module(queue)
        except ConfigurationError as error:
            problems.append(str(error))
    if problems:
        raise ConfigurationError(f"{config.path}: {'; '.join(problems)}")
    return found
