"""
Wrap each unit, a message or a batch, in a transaction: what its handler wrote is kept only if all of it was handled.

No error of a handler gets to a unit layer: it sees results, and may change them. What it raises itself, such as a
failed commit, becomes the result of every message.
"""

from collections.abc import Sequence
from sqlite3 import connect
from typing import Any

from microcosm_pubsub import ConsumerDaemon, MessageHandlingResult, SQSMessage, created, handles
from microcosm_pubsub.harness import harness
from microcosm_pubsub.types import UnitCall


database = connect(":memory:", isolation_level=None, check_same_thread=False)
database.execute("CREATE TABLE orders (uri TEXT CHECK (uri NOT LIKE '%bad%'))")


def transaction(call_next: UnitCall, messages: Sequence[SQSMessage]) -> list[MessageHandlingResult]:
    database.execute("BEGIN")
    results = call_next(messages)
    handled = not any(result.retry for result in results)
    database.execute("COMMIT" if handled else "ROLLBACK")
    print("kept" if handled else "not kept", [result.outcome.name for result in results])
    return results


@handles(created("order"), batch_size=10)
def store(orders: list[dict[str, Any]]) -> bool:
    for order in orders:
        database.execute("INSERT INTO orders VALUES (?)", [order["uri"]])
    return True


class OrdersDaemon(ConsumerDaemon):
    name = "orders"
    unit_middleware = [transaction]
    defaults = {"logging": {"level": "CRITICAL"}}


if __name__ == "__main__":
    with harness(OrdersDaemon) as app:
        for names in (["1", "2"], ["3", "bad"]):
            for name in names:
                app.publish(created("order"), uri=f"https://orders.example.com/{name}")
            app.run()
    print(database.execute("SELECT count(*) FROM orders").fetchone()[0], "orders")
