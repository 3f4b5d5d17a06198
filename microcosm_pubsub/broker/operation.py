"""
The methods of the broker's clients.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def operation(service: str, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """
    Return a client's method for an operation of SQS or SNS.

    :param name: the operation's name in the service's model
    :param function: does it; takes the broker and the operation's parameters
    """

    def method(self: Any, **parameters: Any) -> dict[str, Any]:
        answer: dict[str, Any] = self.broker.call(service, name, function, parameters)
        return answer

    # A server calls the function itself.
    method.function = function  # type: ignore[attr-defined]
    method.__name__ = function.__name__
    method.__doc__ = function.__doc__
    return method
