"""
Handle messages in a database transaction: committed before they are deleted, undone if they stay.
"""

from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from sqlalchemy.orm import Mapped, Session, mapped_column

from microcosm_pubsub import ConsumerDaemon, created, handles
from microcosm_pubsub.harness import harness
from microcosm_pubsub.sql import Base


class Order(Base):
    __tablename__ = "orders"

    id: Mapped[int] = mapped_column(primary_key=True)
    uri: Mapped[str]


@handles(created("order"), transaction=True)
def store(message: dict[str, Any], session: Session) -> bool:
    session.add(Order(uri=message["uri"]))
    if message["uri"].endswith("bad"):
        raise ValueError("after it was added")
    return True


class OrdersDaemon(ConsumerDaemon):
    name = "orders"
    defaults = {
        "logging": {"level": "CRITICAL"},
        "pubsub_database": {"url": f"sqlite:///{Path(mkdtemp())}/orders.db"},
    }


if __name__ == "__main__":
    with harness(OrdersDaemon) as app:
        database = app.graph.pubsub_database
        Base.metadata.create_all(database.engine)
        for name in ("1", "bad", "2"):
            app.publish(created("order"), uri=f"https://orders.example.com/{name}")
        print([result.outcome.name for result in app.run()])
        with database.transaction() as session:
            print(session.query(Order).all())
