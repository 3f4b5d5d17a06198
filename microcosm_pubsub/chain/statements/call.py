"""
The statement that calls a function with arguments of one's choice: `call`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from microcosm_pubsub.chain.link import NONE_GIVEN, Context, compile_link


class LocalCallWrapper:
    """
    Call a function with arguments from the context, some of them under other names.

    :param given: arguments, each the name of a key or a constant
    :param key: where to store the result; if None, what the function says of itself as a link holds
    """

    def __init__(
        self,
        function: Callable[..., Any],
        given: Mapping[str, Any] = NONE_GIVEN,
        key: str | None = None,
    ) -> None:
        self.function = function
        self.given = dict(given)
        self.key = key
        self._step = compile_link(function, self.given, None if key is None else (key,))

    def with_args(self, **kwargs: Any) -> LocalCallWrapper:
        """
        Choose arguments: text that names a key is the key's value, anything else is a constant.

        :raises ConfigurationError: if the function has no such parameter
        """
        return LocalCallWrapper(self.function, {**self.given, **kwargs}, self.key)

    def as_(self, key: str) -> LocalCallWrapper:
        """Store the result under a key."""
        return LocalCallWrapper(self.function, self.given, key)

    def __call__(self, context: Context) -> Any:
        return self._step(context)


def call(function: Callable[..., Any]) -> LocalCallWrapper:
    """Call a function: `call(greet).with_args(name="customer_name", loud=True).as_("greeting")`."""
    return LocalCallWrapper(function)
