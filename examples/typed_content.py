"""
Take a dataclass, and what else the handler asks for.
"""

from dataclasses import dataclass
from datetime import date

from microcosm_pubsub import ConsumerDaemon, SNSProducer, SQSMessage, handles, schema
from microcosm_pubsub.harness import harness


@dataclass
class Order:
    number: int
    due: date


@schema(media_type="application/vnd.example.invoice")
@dataclass
class Invoice:
    order: int
    amount: float = 9.5


@handles("application/vnd.example.order")
def invoice(order: Order, message: SQSMessage, producer: SNSProducer) -> None:
    print(f"order {order.number} is due in {order.due:%B}, attempt {message.attempts}")
    producer.produce(Invoice(order.number))


class InvoicesDaemon(ConsumerDaemon):
    name = "invoices"
    defaults = {"logging": {"level": "CRITICAL"}}


if __name__ == "__main__":
    with harness(InvoicesDaemon) as app:
        app.publish(Order(number=1, due=date(2026, 12, 24)))
        app.publish("application/vnd.example.order", number=2, due=date(2026, 11, 30))
        app.run()
        for message in app.published:
            print(message.media_type, message.content)
