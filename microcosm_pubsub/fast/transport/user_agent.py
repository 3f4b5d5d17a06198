"""
The user agent, which botocore puts together twice for each request, and which is the same for each.

It names the client's configuration, and the features that the call makes use of; so it is kept for each set of these.
"""

from __future__ import annotations

from typing import Any

from botocore.context import get_context


def keep_user_agent(client: Any) -> None:
    """Let a client put its user agent together once for each set of features."""
    creator = client._user_agent_creator
    make = creator.to_string
    kept: dict[frozenset[str], str] = {}

    def to_string() -> str:
        context = get_context()
        features = frozenset(context.features) if context is not None else frozenset()
        if features not in kept:
            kept[features] = make()
        return kept[features]

    creator.to_string = to_string
