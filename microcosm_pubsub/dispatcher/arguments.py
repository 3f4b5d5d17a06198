"""
The arguments of a handler: its content, or the message, and beside that what its parameters ask for.

    def ship(order: Order, message: SQSMessage, producer: SNSProducer, logger: Logger, *, warehouse): ...

A parameter is found by its type (the message, a producer, a logger, what `pubsub_arguments` adds), and else by its
name, which is that of a component of the graph. One with a default that has none of these types keeps it. All is found
once, when the handler is bound, and what cannot be found is refused then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from logging import Logger, getLogger
from typing import Any, get_args, get_origin

from microcosm.api import typed
from microcosm.errors import LockedGraphError, NotBoundError

from microcosm_pubsub.codecs import ContentCodec
from microcosm_pubsub.config import values
from microcosm_pubsub.config.graph import defaults, find_factories, find_parts, use_parts
from microcosm_pubsub.errors import ConfigurationError
from microcosm_pubsub.graph import PubSubGraph
from microcosm_pubsub.message import SQSMessage
from microcosm_pubsub.middleware.handler_call import Arguments
from microcosm_pubsub.producer import Producer, SNSProducer
from microcosm_pubsub.registry import HandlerOptions, PubSubMessageSchemaRegistry
from microcosm_pubsub.registry.media_type import describe_name
from microcosm_pubsub.registry.signature import UNRESOLVED, HandlerSignature, WantedArgument, read_signature


@dataclass(frozen=True, slots=True)
class Argument:
    """
    An argument that a handler may ask for, and that is no component.

    :param types: of a parameter that is given it
    :param names: of one that is, whatever its type
    :param get: returns it for the messages that are handled: one, or those of a batch
    :param find_problem: says why a handler of some options cannot be given it; None if it can
    """

    types: tuple[type, ...]
    get: Callable[[Sequence[SQSMessage]], Any]
    names: tuple[str, ...] = ()
    find_problem: Callable[[HandlerOptions], str | None] = lambda options: None


PRODUCERS = (SNSProducer, Producer)

#: The types of parameters that take the messages of a batch.
LISTS = (list, Sequence, Iterable)


class ArgumentFinder:
    """
    Find the arguments that handlers ask for.

    :param graph: gives components, and the schemas
    :param arguments: the arguments that they may ask for and that are no components
    """

    def __init__(self, graph: PubSubGraph, arguments: Sequence[Argument] = ()) -> None:
        self.graph = graph
        self.schemas: PubSubMessageSchemaRegistry = graph.pubsub_message_schema_registry
        self.arguments = arguments

    def find(self, media_type: str, handler: Callable[..., Any], options: HandlerOptions) -> Arguments:
        """
        Return the arguments of a bound handler.

        :param media_type: as it is registered
        :param options: how it wants its messages
        :raises ConfigurationError: if it asks for something that cannot be found
        """
        signature = read_signature(handler, options.batch_size is not None)
        codec = find_content_codec(self.schemas, media_type, handler, signature)
        named = {}
        for wanted in signature.wanted:
            get = self._find(handler, wanted, options)
            if get is not None:
                named[wanted.name] = get
        return Arguments(named, signature.takes_message, codec, signature.returns_none)

    def _find(self, handler: Callable[..., Any], wanted: WantedArgument, options: HandlerOptions) -> Any:
        is_batch = options.batch_size is not None
        kind = get_kind(wanted.annotation)
        for argument in self.arguments:
            if wanted.name in argument.names or kind in argument.types:
                if problem := argument.find_problem(options):
                    raise ConfigurationError(f"Handler {describe_name(handler)} asks for `{wanted.name}`: {problem}")
                return argument.get
        if kind is SQSMessage and not is_batch:
            return lambda messages: messages[0]
        if is_batch and kind in LISTS and SQSMessage in map(get_kind, get_args(wanted.annotation)):
            return list
        if kind in PRODUCERS:
            return _always(self.graph.sns_producer)
        if kind is Logger:
            return _always(getLogger(getattr(handler, "__module__", None) or type(handler).__module__))
        if not wanted.is_required:
            return None
        return _always(self._find_component(handler, wanted))

    def _find_component(self, handler: Callable[..., Any], wanted: WantedArgument) -> Any:
        if wanted.name == "graph":
            return self.graph
        try:
            (component,) = self.graph.use(wanted.name)
        except (LockedGraphError, NotBoundError):
            raise ConfigurationError(
                f"Handler {describe_name(handler)} asks for `{wanted.name}`, which is no component of the graph"
                f"{self._hint(wanted)}"
            ) from None
        return component

    def _hint(self, wanted: WantedArgument) -> str:
        bound = sorted(name for name in find_factories(self.graph) if not name.startswith("_"))
        names = [*(name for argument in self.arguments for name in argument.names), *bound]
        near = get_close_matches(wanted.name, names, n=3, cutoff=0.5)
        unresolved = ", and its annotation cannot be resolved here" if wanted.annotation is UNRESOLVED else ""
        others = f"did you mean {' or '.join(near)}? Else it" if near else "it"
        return (
            f"{unresolved}: {others} could be any component ({', '.join(names)}), or be annotated as SQSMessage, "
            "SNSProducer or Logger; or give it a default"
        )


def find_content_codec(
    schemas: PubSubMessageSchemaRegistry, media_type: str, handler: Callable[..., Any], signature: HandlerSignature
) -> ContentCodec | None:
    """
    Return the codec of the content that a handler asks for; None if it takes any.

    :raises ConfigurationError: if its messages come as something else, or it cannot be known as what
    """
    try:
        codec = schemas.find(media_type)
    except KeyError:
        codec = None
    if signature.content is UNRESOLVED and codec is None:
        # The messages would be ignored.
        raise ConfigurationError(
            f"Handler {describe_name(handler)} of {media_type} takes {signature.content_text}, which cannot be "
            "resolved here: import it where the handler is defined (not under TYPE_CHECKING), and define it at the top "
            "of a module"
        )
    asked = signature.content
    if codec is None or not isinstance(asked, type):
        return None
    if codec.cls is not None and issubclass(codec.cls, asked):
        return codec
    if not schemas.is_content(asked):
        return None
    raise ConfigurationError(
        f"Handler {describe_name(handler)} of {media_type} takes {asked.__qualname__}, but the content of these "
        f"messages is {schemas.describe(media_type)}: a media type has one schema"
    )


@defaults(names=typed(values.names("pubsub_arguments.names"), default_factory=list))
def configure_pubsub_arguments(graph: PubSubGraph) -> ArgumentFinder:
    """
    Configure the arguments that handlers may ask for beside their content, bound as `pubsub_arguments`.

    Config `names` lists the bindings of `Argument`s, beside the session of a handler's transaction.
    """
    listed = use_parts(graph, graph.config.pubsub_arguments.names, "pubsub_arguments.names")
    return ArgumentFinder(graph, (*find_parts(graph, "pubsub_session"), *listed))


def get_kind(annotation: Any) -> Any:
    """Return the class of an annotation that may say more of it, such as `SQSMessage[Order]`."""
    return get_origin(annotation) or annotation


def _always(value: Any) -> Callable[[Sequence[SQSMessage]], Any]:
    return lambda messages: value
