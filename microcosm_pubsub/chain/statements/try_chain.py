"""
The statement that expects errors: `try_chain`.

Keys that the links had extracted before one of them raised stay in the context.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, overload

from microcosm_pubsub.chain.chain import Chain
from microcosm_pubsub.chain.link import Context, describe
from microcosm_pubsub.errors import ConfigurationError


Errors = tuple[type[BaseException], ...]


@dataclass(frozen=True, slots=True)
class TryChainStatement:
    """Run a chain, and others for the errors that it raises."""

    chain: Chain
    clauses: tuple[tuple[Errors, Chain], ...] = ()
    no_error: Chain | None = None

    @overload
    def catch(self, error: type[BaseException] | Errors) -> CatchStatement: ...

    @overload
    def catch(
        self, error: type[BaseException] | Errors, *args: Callable[..., Any], **kwargs: Any
    ) -> TryChainStatement: ...

    def catch(
        self,
        error: type[BaseException] | Errors,
        *args: Callable[..., Any],
        **kwargs: Any,
    ) -> TryChainStatement | CatchStatement:
        """
        Run links if an error is raised; they are given as to `Chain.make`.

        Without links, they follow as `.catch(error).then(...)`. The first clause that fits is run.

        :param error: the class of the error, or several; subclasses are caught too
        :raises ConfigurationError: if it is no class of errors
        """
        errors = error if isinstance(error, tuple) else (error,)
        for each in errors:
            if not (isinstance(each, type) and issubclass(each, BaseException)):
                raise ConfigurationError(f"try_chain().catch() takes a class of errors first, not {describe(each)}")
        if args or kwargs:
            return CatchStatement(self, errors).then(*args, **kwargs)
        return CatchStatement(self, errors)

    def otherwise(self, *args: Callable[..., Any], **kwargs: Any) -> TryChainStatement:
        """Run links if nothing was raised, outside of the attempt; they are given as to `Chain.make`."""
        return replace(self, no_error=Chain.make(*args, **kwargs))

    def __call__(self, context: Context) -> Any:
        try:
            result = self.chain(context)
        except tuple(error for errors, _ in self.clauses for error in errors) as error:
            handler = next(chain for errors, chain in self.clauses if isinstance(error, errors))
            return handler(context)
        return result if self.no_error is None else self.no_error(context)


@dataclass(frozen=True, slots=True)
class CatchStatement:
    """Wait for the links to run for an error."""

    attempt: TryChainStatement
    errors: Errors

    def then(self, *args: Callable[..., Any], **kwargs: Any) -> TryChainStatement:
        """Run links for this error; they are given as to `Chain.make`."""
        clause = (self.errors, Chain.make(*args, **kwargs))
        return replace(self.attempt, clauses=(*self.attempt.clauses, clause))


def try_chain(*args: Callable[..., Any], **kwargs: Any) -> TryChainStatement:
    """Expect errors: `try_chain(fetch).catch(TimeoutError, retry).otherwise(store)`."""
    return TryChainStatement(Chain.make(*args, **kwargs))
