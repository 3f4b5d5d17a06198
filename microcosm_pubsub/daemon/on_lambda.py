"""
A daemon's handlers on AWS Lambda.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from microcosm_pubsub.lambda_handler import LambdaHandler


class LambdaHandlerFactory:
    """Let `make_lambda_handler` be called on a daemon class, or on a daemon that has its graph already."""

    def __get__(self, daemon: Any, cls: type[Any]) -> Callable[[], LambdaHandler]:
        if daemon is not None and daemon.graph is not None:
            return lambda: LambdaHandler(lambda: daemon)
        return lambda: LambdaHandler(cls.create_for_lambda)
