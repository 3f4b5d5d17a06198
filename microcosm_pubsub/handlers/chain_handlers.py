"""
Handlers that are a chain.

A chain that comes to its end has handled the message, whatever its last link returns. It says
otherwise by raising: `SkipMessage`, `IgnoreMessage`, `Nack`, or an error.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from threading import RLock
from typing import Any

from microcosm_pubsub.chain import Chain
from microcosm_pubsub.chain.context import SafeContext
from microcosm_pubsub.handlers.uri_handler import URIHandler


# Chains are made once per handler, and only then does anybody wait for another.
MAKING = RLock()


class ChainOwner(ABC):
    """Make a chain when it is first needed, and keep it."""

    _chain: Chain | None = None

    @abstractmethod
    def get_chain(self) -> Chain:
        """Make the chain; called once for each handler, when its first message comes."""

    @property
    def chain(self) -> Chain:
        """Return the chain."""
        if self._chain is None:
            with MAKING:
                if self._chain is None:
                    self._chain = self.get_chain()
        return self._chain


class ChainHandler(ChainOwner):
    """
    Handle a message with a chain, which gets its content as `message`.

    :param graph: the object graph
    """

    def __init__(self, graph: Any = None) -> None:
        self.graph = graph

    def __call__(self, message: dict[str, Any]) -> bool:
        """Run the chain and return True; its errors are let through."""
        self.chain(message=message)
        return True


class ChainURIHandler(ChainOwner, URIHandler):
    """Handle a message with a chain, which gets `message`, `uri` and the resource."""

    @property
    def resource_name(self) -> str:
        """Return the key of the resource in the chain's context."""
        return "resource"

    def handle(self, message: dict[str, Any], uri: str, resource: Any) -> bool:
        """Run the chain and return True; its errors are let through."""
        context = SafeContext(message=message, uri=uri)
        context.assign(self.resource_name, resource)
        self.chain(context)
        return True
