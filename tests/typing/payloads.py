"""
Typed content and arguments, as a user's type checker sees them; checked by mypy, never run.
"""

from dataclasses import dataclass
from logging import Logger
from typing import assert_type

from microcosm_pubsub import RetryPolicy, SNSProducer, SQSMessage, handles, schema


@schema(media_type="application/vnd.typing.order")
@dataclass
class Order:
    number: int


assert_type(Order, type[Order])


@handles("application/vnd.typing.order", retry=RetryPolicy(max_attempts=3), batch_size=None, middleware=["own"])
def ship(order: Order, message: SQSMessage[Order], producer: SNSProducer, logger: Logger) -> None:
    assert_type(message.content, Order)
    assert_type(producer.produce(order), str | None)
    assert_type(producer.produce("application/vnd.typing.order", order), str | None)
    producer.produce(5)  # type: ignore[arg-type]
    producer.produce("application/vnd.typing.order", 5)  # type: ignore[arg-type]


@handles("application/vnd.typing.order", retries=3)  # type: ignore[call-overload, untyped-decorator]
def wrong_option(order: Order) -> None: ...


@handles("application/vnd.typing.order", timeout_seconds="5")  # type: ignore[call-overload, untyped-decorator]
def wrong_value(order: Order) -> None: ...


@handles("application/vnd.typing.order", middleware=5)  # type: ignore[call-overload, untyped-decorator]
def wrong_middleware(order: Order) -> None: ...


@dataclass
class Other:
    name: str


@handles(Order)
def right(order: Order, logger: Logger) -> None: ...


@handles(Order)
async def right_coroutine(order: Order) -> bool:
    return True


@handles(Order)
def right_message(message: SQSMessage[Order]) -> bool:
    return True


@handles(Order, batch_size=10)
def right_batch(orders: list[Order]) -> list[bool]:
    return [True for _ in orders]


@handles(Order)
class RightClass:
    def __call__(self, order: Order) -> bool:
        return True


right(Order(1), Logger("orders"))
RightClass()(Order(1))


@handles(Order)  # type: ignore[arg-type]
def wrong_content(order: Other) -> None: ...


@handles(Order)  # type: ignore[type-var]
def wrong_return(order: Order) -> str:
    return "done"
