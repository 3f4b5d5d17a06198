"""
Onlookers at calls of boto3, which need not see those that are made here.

Sentry's SDK puts breadcrumbs and spans around boto3's calls, and a daemon that reports its failures would pay for them
with half its speed; OpenTelemetry's instrumentation of botocore makes spans, in whose place ours stand where there are
any. Either is known by where its functions come from. Functions that it has replaced in its turn are looked at as well,
and hooks that a user gave it see every call, as handlers of his do.
"""

from __future__ import annotations

from functools import partial
from os.path import dirname
from types import FunctionType
from typing import Any

import botocore


BOTOCORE_FOLDER = dirname(botocore.__file__)

#: https://docs.sentry.io/platforms/python/integrations/boto3/
SENTRY = "sentry_sdk.integrations.boto3"

#: https://opentelemetry-python-contrib.readthedocs.io/en/latest/instrumentation/botocore/botocore.html
OPENTELEMETRY = "opentelemetry.instrumentation.botocore"

#: Sentry, OpenTelemetry, and wrappers around them; more is a loop.
MOST_LAYERS = 10


def is_own(function: Any) -> bool:
    """Return whether a function is botocore's, and not somebody's in its place."""
    return type(function) is FunctionType and function.__code__.co_filename.startswith(BOTOCORE_FOLDER)


def is_known_handler(handler: Any) -> bool:
    """Return whether a handler of events is one of Sentry's."""
    function = handler.func if isinstance(handler, partial) else handler
    return is_from(SENTRY, function)


def find_stranger(function: Any, is_traced: bool) -> str | None:
    """
    Return the name of a replacement of one of botocore's functions that has to see every call, or None if none has to.

    :param is_traced: whether OpenTelemetry's instrumentation need not
    :returns: what to add to "it is replaced"; an empty text for somebody unknown
    """
    pending = [function]
    for _ in range(MOST_LAYERS):
        if not pending:
            return None
        function = pending.pop()
        if is_own(function):
            continue
        if is_from(SENTRY, function):
            # OpenTelemetry keeps the function that it has replaced in this place alone.
            pending += [cell.cell_contents for cell in function.__closure__ or () if callable(cell.cell_contents)]
        elif instrumentor := find_instrumentor(function):
            if not is_traced:
                return " by OpenTelemetry's instrumentation; with pubsub_traces.enabled it need not see them"
            if any(getattr(instrumentor, name, None) for name in ("request_hook", "response_hook")):
                return ", and OpenTelemetry's instrumentation has hooks"
            pending.append(function.__wrapped__)
        else:
            return ""
    return ""


def find_instrumentor(function: Any) -> Any:
    """Return OpenTelemetry's instrumentor, if a function is wrapped by it."""
    instrumentor = getattr(getattr(function, "_self_wrapper", None), "__self__", None)
    return instrumentor if type(instrumentor).__module__ == OPENTELEMETRY else None


def is_from(package: str, function: Any) -> bool:
    module = getattr(function, "__module__", None) if type(function) is FunctionType else None
    return isinstance(module, str) and (module == package or module.startswith(f"{package}."))
