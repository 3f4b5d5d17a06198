"""
The check whether anybody but botocore has a say in the calls of a client.

Event handlers of users, of moto, of botocore's `Stubber`, and functions of botocore that have been replaced (as tracers
and tests do) must see every call, but for those onlookers that `onlookers` knows. They are looked for whenever the
client's registrations have changed, which botocore shows by a new cache of its look-ups, so that looking costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from logging import DEBUG, getLogger
from operator import is_
from typing import Any

from botocore.client import BaseClient
from botocore.endpoint import Endpoint
from botocore.history import get_global_history_recorder
from botocore.httpsession import URLLib3Session
from botocore.signers import RequestSigner

from microcosm_pubsub.fast.transport.onlookers import find_stranger, is_known_handler, is_own


#: The events of a call, in botocore's order.
#: https://docs.aws.amazon.com/boto3/latest/guide/events.html
EVENTS = (
    "provide-client-params",
    "before-parameter-build",
    "before-endpoint-resolution",
    "before-call",
    "request-created",
    "choose-signer",
    "before-sign",
    "before-send",
    "response-received",
    "before-parse",
    "needs-retry",
    "after-call",
    "after-call-error",
)

#: The modules of the handlers that every client has, and that the short way learns from or takes into account.
OWN_MODULES = frozenset(
    {"botocore.handlers", "botocore.signers", "botocore.useragent", "botocore.retries.standard"},
)

#: The functions of botocore that others replace to see calls.
PASSED = (
    (BaseClient, "_make_api_call"),
    (BaseClient, "_make_request"),
    (Endpoint, "make_request"),
    (Endpoint, "_send"),
    (URLLib3Session, "send"),
    (RequestSigner, "sign"),
)

BOTOCORE_LOGGER = getLogger("botocore")


class InterceptionCheck:
    """Watches one client."""

    def __init__(
        self, client: Any, operations: Iterable[str], known: Iterable[Callable[..., Any]], is_traced: bool = False
    ):
        """
        Start to watch.

        :param known: handlers that are no reason to leave the short way
        :param is_traced: whether its calls have spans of our own, which stand for those of OpenTelemetry's
            instrumentation of botocore
        """
        self._is_traced = is_traced
        self._emitter = client.meta.events._emitter
        service = client.meta.service_model.service_id.hyphenize()
        self._names = [f"{event}.{service}.{operation}" for event in EVENTS for operation in operations]
        self._known = frozenset(known)
        self._history = get_global_history_recorder()
        #: The registrations and functions that were looked at, and the verdict on them: written together.
        self._verdict: tuple[Any, tuple[Any, ...], str | None] = (None, (), None)

    def find_reason(self) -> str | None:
        """Return why a call has to be botocore's, if it has to."""
        cache, passed = self._emitter._lookup_cache, tuple([vars(owner).get(name) for owner, name in PASSED])
        seen, seen_passed, reason = self._verdict
        # They are compared by identity: a wrapper of a function may claim to equal it.
        if cache is not seen or not all(map(is_, passed, seen_passed)):
            reason = self._find_listener(passed)
            # A handler that is registered meanwhile makes another cache, and so another look.
            self._verdict = cache, passed, reason
        if reason is None and BOTOCORE_LOGGER.isEnabledFor(DEBUG):
            return "botocore logs its calls"
        if reason is None and self._history._enabled:
            return "botocore records its calls"
        return reason

    def _find_listener(self, passed: tuple[Any, ...]) -> str | None:
        for (owner, name), function in zip(PASSED, passed, strict=True):
            stranger = find_stranger(function, self._is_traced)
            if stranger is not None:
                return f"{owner.__name__}.{name} is replaced{stranger}"
        for name in self._names:
            for handler in self._emitter._handlers.prefix_search(name):
                if handler in self._known:
                    continue
                function = getattr(handler, "__func__", handler)
                if is_known_handler(function):
                    continue
                if not is_own(function) or function.__module__ not in OWN_MODULES:
                    return f"a handler is registered for {name}"
        return None
