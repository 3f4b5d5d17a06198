"""
An app under test: handlers in transactions, over a queue in memory.
"""

from collections.abc import Callable

from sqlalchemy import Column, Integer, Text, create_engine, func, select

from microcosm_pubsub.conventions import created
from microcosm_pubsub.registry import HandlerOptions
from microcosm_pubsub.sql import Base


class Order(Base):
    """What handlers under test write."""

    __tablename__ = "orders"

    id = Column(Integer, primary_key=True)
    uri = Column(Text, nullable=False, unique=True)


ORDER = created("order")


class App:
    """A graph with handlers, its queue, and its database."""

    def __init__(self, graph, queue):
        self.graph = graph
        self.queue = queue
        self.handlers = {}
        self.database = graph.pubsub_database
        with self.database.connect() as connection:
            Base.metadata.create_all(connection)

    def handle(self, handler: Callable, media_type: str = ORDER, **options) -> None:
        """Have a handler, in a transaction unless it says otherwise."""
        options = HandlerOptions(**{"transaction": True, **options})
        self.graph.sqs_message_handler_registry.register(media_type, handler, options)
        self.handlers[media_type] = handler

    def send(self, *names: str, media_type: str = ORDER, opaque_data=None, **options) -> None:
        """Send messages about orders."""
        for name in names:
            body = {"mediaType": media_type, "uri": name, "opaqueData": opaque_data or {}}
            self.queue.send(body, **options)

    def run(self):
        """Handle the messages of one receive, and return what came of each."""
        return self.graph.sqs_message_dispatcher.handle_batch(self.handlers)

    def outcomes(self) -> list[str]:
        """Handle the messages of one receive, and return the names of what came of each."""
        return [result.result.name for result in self.run()]

    @property
    def orders(self) -> list[str]:
        """What is committed."""
        engine = create_engine(self.database.engine.url)
        with engine.connect() as connection:
            found = list(connection.scalars(select(Order.uri).order_by(Order.id)))
        engine.dispose()
        return found

    def count(self, table) -> int:
        """How many rows of a table are committed."""
        with self.database.connect() as connection:
            return connection.scalar(select(func.count()).select_from(table))

    def close(self) -> None:
        """Close the connections of coroutines, which belong to their event loop."""
        engine = self.database._async_engine
        if engine is not None:
            self.graph.pubsub_event_loop.run(engine.dispose())
