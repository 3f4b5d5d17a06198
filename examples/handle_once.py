"""
Handle a message once, however often it is delivered.
"""

from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from microcosm_pubsub import ConsumerDaemon, created, handles
from microcosm_pubsub.harness import harness


PAYMENT = created("payment")


@handles(PAYMENT, once=True)
def book(message: dict[str, Any]) -> bool:
    print("booked", message["uri"])
    return True


class PaymentsDaemon(ConsumerDaemon):
    name = "payments"
    defaults = {
        "logging": {"level": "CRITICAL"},
        "pubsub_database": {"url": f"sqlite:///{Path(mkdtemp())}/payments.db", "auto_upgrade": True},
    }


if __name__ == "__main__":
    with harness(PaymentsDaemon) as app:
        app.publish(PAYMENT, uri="https://payments.example.com/1")
        (message,) = app.queue
        # the queue delivers it again, as when its delete was lost
        app.send(message.body)
        for result in app.run():
            print(result.outcome.name, *result.extra.values())
