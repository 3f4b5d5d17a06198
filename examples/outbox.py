"""
Publish if, and only if, a transaction is committed: in a web service, say.
"""

from collections.abc import Sequence
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from microcosm.api import create_object_graph, load_from_dict
from sqlalchemy.orm import Mapped, mapped_column

from microcosm_pubsub import created
from microcosm_pubsub.producer import ProduceResult, PublishCall, PubsubMessage
from microcosm_pubsub.sql import Base


class Order(Base):
    __tablename__ = "orders"

    id: Mapped[int] = mapped_column(primary_key=True)
    uri: Mapped[str] = mapped_column(unique=True)


def print_published(call_next: PublishCall, messages: Sequence[PubsubMessage]) -> list[ProduceResult]:
    print("published", [message.opaque_data["x-order"] for message in messages])
    return call_next(messages)


graph: Any = create_object_graph(
    "shop",
    loader=load_from_dict(
        pubsub_broker={"url": "sqlite://"},
        pubsub_database={"url": f"sqlite:///{Path(mkdtemp())}/shop.db", "auto_upgrade": True},
        pubsub_publish_layers={"names": [print_published]},
    ),
)
graph.use("opaque", "sns_producer", "pubsub_database")
graph.lock()


def take_order(name: str) -> None:
    with graph.pubsub_database.transaction() as session:
        uri = f"https://shop.example.com/orders/{name}"
        graph.sns_producer.produce(created("order"), uri=uri, opaque_data={"x-order": name})
        session.add(Order(uri=uri))
        print("taking order", name)


if __name__ == "__main__":
    Base.metadata.create_all(graph.pubsub_database.engine)
    for name in ("1", "2", "1"):
        try:
            take_order(name)
        except Exception as error:
            print("not taken:", type(error).__name__)
