"""
Services: classes whose methods answer calls.

    class Inventory(Service):
        name = "inventory"

        def on_count(self, message: SQSMessage, item: str) -> int:
            return self.graph.stock.count(item)

    if __name__ == "__main__":
        Inventory.run()

The value that a method returns is its answer; an error that it raises is an answer too.
"""

from __future__ import annotations

import sys
from asyncio import CancelledError
from collections.abc import Callable, Iterable
from logging import getLogger
from time import time
from traceback import format_exc
from typing import TYPE_CHECKING, Any, TypeVar

from microcosm.api import binding
from microcosm.hooks import on_resolve
from microcosm.registry import _registry as default_registry

from microcosm_pubsub.calls.declared import takes_first
from microcosm_pubsub.calls.errors import SERVER_ERROR, InvalidParams, MethodNotFound, RpcError
from microcosm_pubsub.calls.handler import is_told_to_end, make_call_handler
from microcosm_pubsub.calls.message import CallSchema, find_problem, make_request_media_type
from microcosm_pubsub.calls.parameters import Parameters
from microcosm_pubsub.calls.replies import ReplyMemory, get_request_id, write_error, write_result
from microcosm_pubsub.config.cached import cached_property
from microcosm_pubsub.errors import ConfigurationError, DeadLetter, Nack, SkipMessage, TTLExpired
from microcosm_pubsub.message import SQSMessage
from microcosm_pubsub.payloads.annotation import SchemaMaker
from microcosm_pubsub.registry import HandlerOptions, PubSubMessageSchemaRegistry, SQSMessageHandlerRegistry
from microcosm_pubsub.registry.signature import UNRESOLVED, find_names, find_signature, resolve
from microcosm_pubsub.result import describe
from microcosm_pubsub.types import Handler


if TYPE_CHECKING:
    from microcosm_pubsub.daemon import ConsumerDaemon

logger = getLogger(__name__)

S = TypeVar("S", bound="type[Service]")

PREFIX = "on_"


class Service:
    """
    Answer calls: a subclass has a `name`, and a method `on_<method>(self, message, ...)` for each that it offers.

    It is a handler class: a daemon binds it by the graph, or makes it with the graph.

    :param graph: the object graph
    """

    #: Its name for callers: lower-case letters, digits and _.
    name: str = ""

    #: How requests are handled: `transaction`, `timeout_seconds` and the other options of `@handles`.
    options: HandlerOptions = HandlerOptions()

    #: Whether callers get the traceback of what a method raises.
    tell_tracebacks = False

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        # An abstract service has no name.
        if cls.__dict__.get("name"):
            _declare(cls)

    def __init__(self, graph: Any) -> None:
        self.graph = graph

    @classmethod
    def run(cls) -> None:
        """Run the service alone, as a daemon of its name, and exit."""
        try:
            daemon_cls = make_service_daemon(cls)
        except ConfigurationError as error:
            sys.exit(f"{cls.__qualname__}: cannot start: {error}")
        daemon_cls().run()

    @cached_property
    def replies(self) -> ReplyMemory:
        """Return the answers that were given, for as long as they may be asked for again."""
        return ReplyMemory()

    def find_methods(self) -> dict[str, Callable[..., Any]]:
        """Return its methods by the names by which they are called."""
        names = (name for name in dir(type(self)) if name.startswith(PREFIX) and name != PREFIX)
        methods = {name[len(PREFIX) :]: getattr(self, name) for name in names}
        return {name: method for name, method in methods.items() if callable(method)}

    def iter_parts(self) -> Iterable[tuple[str, Handler, HandlerOptions]]:
        """Iterate over the names, the handlers and the options of its methods."""
        for name, method in self.find_methods().items():
            yield name, ServiceMethod(self, name, method).make_handler(), self.options

    def choose(self, message: SQSMessage) -> str | None:
        """Return the name of the method that a message calls; None if it is no call."""
        content = message.content
        return content["method"] if find_problem(content) is None else None

    def __call__(self, message: SQSMessage, /) -> None:
        """Answer a call of a method that there is not, and give up a message that is no call."""
        if problem := find_problem(message.content):
            raise DeadLetter(f"The message is no call of {self.name}: {problem}")
        known = ", ".join(self.find_methods()) or "none"
        error = MethodNotFound(f"{self.name} has no method {message.content['method']!r}; it has {known}")
        refuse(self.replies, message, error)


class ServiceMethod:
    """
    Answer the calls of one method.

    :param service: the service that has the method
    :param name: by which it is called
    :param method: the method, bound
    :raises ConfigurationError: if it does not take the message first, or an annotation cannot be read
    """

    def __init__(self, service: Service, name: str, method: Callable[..., Any]) -> None:
        self.service = service
        self.name = f"{service.name}.{name}"
        self.method = method
        if service.options.batch_size is not None:
            raise ConfigurationError(f"{type(service).__qualname__}: a request is one call, and has no batch_size")
        if not takes_first(method):
            raise ConfigurationError(f"{method.__qualname__} does not take the message first, behind self")
        self.parameters = Parameters(method, skip=1)
        if "timeout_seconds" in self.parameters.declared.signature.parameters:
            raise ConfigurationError(
                f"{method.__qualname__}: a call says by timeout_seconds how long it waits; name the parameter otherwise"
            )
        # The annotations are read now, when the service is bound.
        self.returned = make_return_field(method)
        _ = self.parameters.schema

    def make_handler(self) -> Handler:
        """Return the handler that calls the method for a message."""
        return make_call_handler(self.method, self.parameters, self.begin, self.service.replies)

    def begin(self, message: SQSMessage, given: dict[str, Any]) -> MethodRun | None:
        """
        Begin a call; None if it was answered before.

        :raises TTLExpired: if nobody waits for the answer any more
        :raises Nack: if another thread is at it
        """
        deadline = message.content.get("deadline")
        if deadline is not None and time() >= deadline:
            raise TTLExpired(f"{self.name}: its caller no longer waits for it")
        if not self.service.replies.begin(message):
            return None
        try:
            args, kwargs = self.parameters.load(message.content.get("params"))
        except InvalidParams as error:
            refuse(self.service.replies, message, error)
        return MethodRun(self, message, args, {**kwargs, **given})


class MethodRun:
    """One call of a method."""

    def __init__(
        self, method: ServiceMethod, message: SQSMessage, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        self.method = method
        self.message = message
        self.args = (message, *args)
        self.kwargs = kwargs
        self.replies = method.service.replies

    def succeed(self, value: Any) -> None:
        """Keep the value that it returned as the answer."""
        try:
            text = write_result(self.message, value, self.method.returned)
        except RpcError as error:
            logger.error("%s: %s", self.method.name, error)
            refuse(self.replies, self.message, error)
        self.replies.end(self.message, text)

    def cancel(self, error: CancelledError) -> None:
        """Answer nothing if it was told to end: the request comes again."""
        if not is_told_to_end():
            self.fail(error)

    def fail(self, error: BaseException) -> None:
        """
        Keep the error that it raised as the answer.

        :raises SkipMessage: since the message is done, and nothing that the method wrote is kept
        """
        if isinstance(error, Nack):
            self.replies.forget(self.message)
            return
        if not isinstance(error, RpcError) or error.is_of_another_call:
            logger.warning("%s failed", self.method.name, exc_info=True)
            data = {"type": type(error).__qualname__}
            if self.method.service.tell_tracebacks:
                data["traceback"] = format_exc()
            error = RpcError(SERVER_ERROR, describe(error), data)
        refuse(self.replies, self.message, error)


def refuse(replies: ReplyMemory, message: SQSMessage, error: RpcError) -> None:
    """
    Note an error as the answer; of a notice, which wants none, log it.

    :raises SkipMessage: since the message is done
    """
    text = f"{error.code} {error.message}"
    if get_request_id(message) is None:
        logger.warning("The notice %s (%s) has failed: %s", message.message_id, message.content["method"], text)
        raise SkipMessage(f"A notice, so that nobody is told of its error: {text}")
    replies.end(message, write_error(message, error))
    raise SkipMessage(f"Answered with an error: {text}")


def make_return_field(method: Callable[..., Any]) -> Any:
    """
    Return the field that writes the value of a method, by its annotation; None if that says nothing, or is not known.
    """
    kind = resolve(find_signature(method).return_annotation, find_names(method))
    if kind in (None, type(None), UNRESOLVED):
        return None
    try:
        return SchemaMaker().make_field(kind)
    except ConfigurationError as error:
        raise ConfigurationError(f"{method.__qualname__} returns: {error}") from None


def service(name: str) -> Callable[[S], S]:
    """
    Name a service, in the place of its attribute `name`.

    :param name: lower-case letters, digits and _
    """

    def decorator(cls: S) -> S:
        if (own := cls.__dict__.get("name") or name) != name:
            raise ConfigurationError(
                f"{cls.__qualname__} is named {own!r} by itself, and {name!r} by @service: keep one"
            )
        cls.name = name
        _declare(cls)
        return cls

    return decorator


def make_service_daemon(cls: type[Service]) -> type[ConsumerDaemon]:
    """
    Return a daemon that runs one service, and nothing else.

    :raises ConfigurationError: if it has no name of its own: calls would go to the class whose name it is
    """
    # Imported here, since only programs that are daemons need it.
    from microcosm_pubsub.daemon import ConsumerDaemon
    from microcosm_pubsub.daemon.process import rebuild

    if not cls.__dict__.get("name"):
        found = f"the name {cls.name!r} of a base class, and none of its own" if cls.name else "no name"
        raise ConfigurationError(f"{cls.__qualname__} has {found}: set its `name`")
    component: str | None = next((name for name, factory in default_registry.all.items() if factory is cls), None)
    if component is None:
        component = f"{cls.name}_service"
        binding(component)(cls)

    class ServiceDaemon(ConsumerDaemon):
        name = cls.name
        # The service that is named runs alone.
        components = [str(component)]

        def __reduce__(self) -> tuple[Any, ...]:
            return rebuild, (make_service_daemon, cls), vars(self)

    ServiceDaemon.__module__, ServiceDaemon.__qualname__ = cls.__module__, f"daemon of {cls.__qualname__}"
    return ServiceDaemon


def _declare(cls: type[Service]) -> None:
    media_type = make_request_media_type(cls.name)
    on_resolve(PubSubMessageSchemaRegistry, PubSubMessageSchemaRegistry.register, media_type, CallSchema)
    on_resolve(SQSMessageHandlerRegistry, SQSMessageHandlerRegistry.register, media_type, cls)
