"""
What a handler is called with, through the whole of a daemon.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial, wraps
from json import dumps
from logging import Logger
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import msgspec
import pydantic
import pytest
from marshmallow import fields
from microcosm.api import binding

from microcosm_pubsub import ConsumerDaemon, MessageHandlingResultType, Producer, PubSubMessageSchema, handles, schema
from microcosm_pubsub.dispatcher.arguments import Argument
from microcosm_pubsub.errors import AlreadyRegisteredError, ConfigurationError, MessageValidationError, PublishError
from microcosm_pubsub.harness import harness
from microcosm_pubsub.message import SQSMessage
from microcosm_pubsub.producer import SNSProducer


if TYPE_CHECKING:
    from nowhere import Lost  # type: ignore[import-not-found]

pytestmark = pytest.mark.usefixtures("own_declarations")

ORDER = "application/vnd.test.arguments.order"
SUCCEEDED, SKIPPED, FAILED = (MessageHandlingResultType[name] for name in ("SUCCEEDED", "SKIPPED", "FAILED"))


@dataclass
class Order:
    number: int


class OrderModel(pydantic.BaseModel):
    number: int


class OrderStruct(msgspec.Struct):
    number: int


@dataclass
class Declared:
    number: int


@dataclass
class Shipped:
    number: int


@dataclass
class Returned:
    number: int


class OrderSchema(PubSubMessageSchema):
    MEDIA_TYPE = ORDER

    number = fields.Integer(required=True)


class Daemon(ConsumerDaemon):
    name = "arguments"


def deliver(handler: Any, media_type: Any = ORDER, config: Any = None, **options: Any) -> Any:
    """Return the result of one order, delivered to a handler."""
    handles(media_type, **options)(handler)
    with harness(Daemon, config=config) as app:
        app.publish(ORDER, number=1)
        (result,) = app.run()
        assert app.queue == [] or result.retry
        return result


def refuse(handler: Any, **options: Any) -> str:
    """Return why a handler is refused."""
    handles(ORDER, **options)(handler)
    with pytest.raises((ConfigurationError, AlreadyRegisteredError)) as refused, harness(Daemon):
        pass
    return str(refused.value)


# content


def test_content_of_each_kind():
    got = []

    def take_order(order: Order) -> None:
        got.append(order)

    def take_model(order: OrderModel) -> None:
        got.append(order)

    def take_struct(order: OrderStruct) -> None:
        got.append(order)

    for handler in (take_order, take_model, take_struct):
        media_type = f"{ORDER}.{handler.__name__}"
        handles(media_type)(handler)
        with harness(Daemon) as app:
            app.publish(media_type, number=1)
            assert [result.result for result in app.run()] == [SUCCEEDED]

    assert got == [Order(1), OrderModel(number=1), OrderStruct(number=1)]


def test_a_handler_that_returns_nothing_and_says_so_has_succeeded():
    def take(order: Order) -> None:
        pass

    assert deliver(take).result is SUCCEEDED


def test_a_handler_that_returns_nothing_and_does_not_say_so_has_skipped():
    def take(order: Order):
        pass

    assert deliver(take).result is SKIPPED


def test_content_that_does_not_fit_is_kept():
    def take(order: Order) -> None:
        raise AssertionError("is not called")

    handles(ORDER)(take)
    with harness(Daemon) as app:
        app.send(dumps({"mediaType": ORDER, "number": "one"}))
        (result,) = app.run()
        assert result.result is FAILED
        assert "Cannot decode a message with Order" in str(result.exc_info[1])
        assert len(app.queue) + len(app.dead_letters) == 1


def test_an_envelope_without_schemas():
    """It gives content as it was written, as `--stdin` does."""
    got = []

    def take(order: Order, message: SQSMessage[Order]) -> None:
        got.append((order, message.opaque_data["x-request-published"]))

    handles(ORDER)(take)
    with harness(Daemon, config={"sqs_envelope": {"strategy_name": "NaiveSQSEnvelope"}}) as app:
        app.send(dumps({"mediaType": ORDER, "number": 1, "opaqueData": {"x-request-published": "1.5"}}))
        app.send(dumps({"mediaType": ORDER, "number": "one"}))
        assert [result.result for result in app.run()] == [SUCCEEDED, FAILED]

    assert got == [(Order(1), "1.5")]


def test_a_class_with_its_media_type():
    schema(media_type=ORDER)(Declared)
    got = []

    def take(order: Declared) -> None:
        got.append(order)

    assert deliver(take, Declared).result is SUCCEEDED
    assert got == [Declared(1)]


def test_a_batch():
    got = []

    def take(orders: list[Order], messages: list[SQSMessage[Order]]) -> None:
        got.append((orders, [message.media_type for message in messages]))

    assert deliver(take, batch_size=10).result is SUCCEEDED
    assert got == [([Order(1)], [ORDER])]


def test_the_message_in_the_place_of_its_content():
    got = []

    def take(message: SQSMessage[Order]) -> None:
        got.append((message.content, message.media_type))

    assert deliver(take).result is SUCCEEDED
    assert got == [(Order(1), ORDER)]


def test_a_handler_class_and_a_coroutine():
    got = []

    class Take:
        def __init__(self, graph):
            self.graph = graph

        async def __call__(self, order: Order, message: SQSMessage) -> None:
            got.append((order, message.content))

    assert deliver(Take).result is SUCCEEDED
    assert got == [(Order(1), Order(1))]


# other arguments


def test_arguments_by_type_and_by_name():
    got: dict[str, Any] = {}

    def take(
        order: Order,
        message: SQSMessage,
        first: SNSProducer,
        second: Producer,
        log: Logger,
        *,
        opaque,
        graph,
        sns_client,
    ) -> None:
        got.update(locals())

    assert deliver(take).result is SUCCEEDED
    assert got["message"].content is got["order"]
    assert got["first"] is got["second"] is got["graph"].sns_producer
    assert got["log"].name == __name__
    assert got["opaque"] is got["graph"].opaque


def test_a_default_is_kept():
    got = []

    def take(order: Order, opaque=5, message: SQSMessage | None = None, other: SQSMessage = None) -> None:
        got.append((opaque, message, other))

    assert deliver(take).result is SUCCEEDED
    assert got[0][:2] == (5, None)
    assert got[0][2].media_type == ORDER


def test_what_others_add():
    got = []

    def take(order: dict, session, other: SimpleNamespace) -> None:
        got.append((order["number"], session, other))

    schema(OrderSchema)
    binding("test_argument")(lambda graph: Argument((SimpleNamespace,), len, names=("session",)))
    result = deliver(take, config={"pubsub_arguments": {"names": ["test_argument"]}})

    assert result.result is SUCCEEDED
    assert got == [(1, 1, 1)]


def test_what_cannot_be_found_is_refused_with_what_could_be():
    def take(order: Order, sns_produser) -> None: ...

    text = refuse(take)

    assert "asks for `sns_produser`, which is no component of the graph: did you mean sns_producer" in text
    assert "opaque" in text


def test_an_annotation_of_type_checkers_alone():
    def take(order: Lost, message: SQSMessage) -> None: ...

    text = refuse(take)

    assert "takes Lost, which cannot be resolved here: import it where the handler is defined" in text


def test_such_an_annotation_says_nothing_where_a_schema_is():
    got = []

    def take(order: Lost) -> bool:
        got.append(order)
        return True

    assert deliver(take, OrderSchema).result is SUCCEEDED
    assert got[0]["number"] == 1


def test_a_parameter_with_such_an_annotation_goes_by_its_name():
    got = []

    def take(order: Order, opaque: Lost, graph: Lost = 5) -> None:
        got.append((opaque, graph))

    assert deliver(take).result is SUCCEEDED
    assert got[0][1] == 5


def test_a_name_that_is_no_component_with_such_an_annotation():
    def ask(order: Order, price: Lost) -> None: ...

    assert "and its annotation cannot be resolved here" in refuse(ask)


def test_two_schemas_for_one_media_type():
    def take(order: Order) -> None: ...

    schema(OrderSchema)

    assert refuse(take) == f"Media type {ORDER} has schema OrderSchema; it cannot have Order too"


def test_two_classes_for_one_media_type():
    handles(ORDER)(lambda order: True)

    def take(order: Order) -> None: ...

    def take_model(order: OrderModel) -> None: ...

    handles(ORDER)(take)

    assert refuse(take_model) == f"Media type {ORDER} has schema Order; it cannot have OrderModel too"


def test_a_dataclass_that_cannot_be_read():
    @dataclass
    class Odd:
        value: Any

    Odd.__annotations__["value"] = memoryview

    def take(order) -> None: ...

    take.__annotations__["order"] = Odd

    assert "Odd.value: nothing is known that JSON could say of memoryview" in refuse(take)


# shapes of handlers


def test_a_partial():
    got = []

    def take(warehouse, order: Order, message: SQSMessage) -> None:
        got.append((warehouse, order, message.media_type))

    assert deliver(partial(take, "north")).result is SUCCEEDED
    assert got == [("north", Order(1), ORDER)]


def test_a_wrapper_that_passes_on_what_it_gets():
    got = []

    def passing(function):
        @wraps(function)
        def wrapper(*args, **kwargs):
            return function(*args, **kwargs)

        return wrapper

    @passing
    def take(order: Order, message: SQSMessage) -> None:
        got.append((order, message.media_type))

    assert deliver(take).result is SUCCEEDED
    assert got == [(Order(1), ORDER)]


def test_a_wrapper_with_a_signature_of_its_own():
    got = []

    def narrow(function):
        @wraps(function)
        def wrapper(order: Order) -> None:
            function(order, "north")

        return wrapper

    @narrow
    def take(order: Order, warehouse) -> None:
        got.append((order, warehouse))

    assert deliver(take).result is SUCCEEDED
    assert got == [(Order(1), "north")]


@pytest.mark.parametrize("handler", [lambda content: True, dict.__len__, lambda *contents: True, lambda **kw: True])
def test_handlers_that_say_nothing(handler):
    schema(OrderSchema)

    assert deliver(handler).result in (SUCCEEDED, FAILED)


def test_a_sequence_of_messages_that_is_not_a_list():
    got = []

    def take(orders: Sequence[Order], messages: Sequence[SQSMessage]) -> None:
        got.append(len(messages))

    assert deliver(take, batch_size=2).result is SUCCEEDED
    assert got == [1]


# layers of one handler


def test_layers_of_one_handler():
    told = []

    def own(call_next, message):
        told.append(message.media_type)
        return call_next(message)

    def take(order: Order) -> None: ...

    def take_other(order: Order) -> None: ...

    handles(f"{ORDER}.other")(take_other)
    handles(ORDER, middleware=[own])(take)
    with harness(Daemon) as app:
        app.publish(ORDER, number=1)
        app.publish(f"{ORDER}.other", number=1)
        app.run()

    assert told == [ORDER]


@pytest.mark.parametrize("middleware", ["own", [5], None])
def test_layers_that_cannot_be(middleware):
    with pytest.raises(ConfigurationError, match=r"middleware is .*, but must be a list of callables"):
        handles(ORDER, middleware=middleware)(lambda order: True)


def test_a_layer_that_nobody_binds():
    assert "nobody" in refuse(lambda order: True, middleware=["nobody"])


# producing


def test_producing_instances():
    schema(media_type="application/vnd.test.arguments.shipped")(Shipped)

    def take(order: Order, producer: SNSProducer) -> None:
        producer.produce(Shipped(order.number))
        producer.produce("application/vnd.test.arguments.shipped", Shipped(order.number), opaque_data={"a": "b"})
        producer.produce("application/vnd.test.arguments.shipped", Shipped(order.number), number=5)

    handles(ORDER)(take)
    with harness(Daemon) as app:
        app.publish(Order(7))
        app.run()
        assert [each.media_type for each in app.published] == ["application/vnd.test.arguments.shipped"] * 3
        assert [each.content["number"] for each in app.published] == [7, 7, 5]


@pytest.mark.parametrize(
    ("produced", "text"),
    [
        ((Returned(1),), "Cannot produce Returned alone"),
        ((5,), "Cannot produce int alone: a media type must be text"),
        ((ORDER, Returned(1)), "Not an Order, but a Returned"),
        ((ORDER, 5), "Not an Order, but an int"),
        ((f"{ORDER}.plain", Returned(1)), "Not a mapping, but a Returned"),
    ],
)
def test_instances_that_cannot_be_produced(produced, text):
    def take(order: Order) -> None: ...

    class Plain(PubSubMessageSchema):
        MEDIA_TYPE = f"{ORDER}.plain"

    handles(ORDER)(take)
    schema(Plain)
    with harness(Daemon) as app, pytest.raises((PublishError, MessageValidationError), match=text):
        app.graph.sns_producer.produce(*produced)


def test_a_class_of_several_media_types_needs_one_named():
    def take(order: Order) -> None: ...

    handles(ORDER)(take)
    handles(f"{ORDER}.again")(take)
    with harness(Daemon) as app, pytest.raises(PublishError, match="Order is that of several media types"):
        app.graph.sns_producer.produce(Order(1))
