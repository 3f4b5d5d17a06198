"""
Calls over a broker in a file: callers with graphs of their own, and daemons in threads.
"""

import sys
from contextlib import contextmanager
from threading import Event, Thread

import pytest
from microcosm.api import create_object_graph, load_each, load_from_dict


@pytest.fixture(autouse=True)
def only_own_declarations(own_declarations):
    """Let a test see what it declares, and nothing that others did."""


class Place:
    """A broker, and who uses it."""

    def __init__(self, url):
        self.url = url
        self.open = []

    def load(self, **config):
        return load_each(load_from_dict(pubsub_broker={"url": self.url}), load_from_dict(config))

    def caller(self, name="caller", **config):
        """Return the graph of a program that calls."""
        graph = create_object_graph(name, loader=self.load(**config))
        graph.use("pubsub_rpc", "pubsub_tasks")
        graph.lock()
        self.open.append(graph.pubsub_rpc)
        return graph

    @contextmanager
    def serving(self, daemon_cls, **config):
        """Run a daemon in a thread."""
        daemon = daemon_cls()
        daemon.args = daemon.make_arg_parser().parse_args([])
        loader = self.load(sqs_consumer={"sqs_queue_url": daemon_cls.name, "wait_seconds": 1}, **config)
        daemon.graph = daemon.create_object_graph(daemon.args, loader=loader)
        stop = Event()

        def serve():
            while not stop.is_set():
                daemon.graph.sqs_message_dispatcher.handle_batch(daemon.bound_handlers)

        thread = Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield daemon
        finally:
            stop.set()
            # wakes it
            daemon.graph.sqs_client.send_message(QueueUrl=daemon.graph.sqs_consumer.sqs_queue_url, MessageBody="end")
            thread.join(10)


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["test"])
    made = Place(f"sqlite:///{tmp_path}/broker.db")
    yield made
    for each in made.open:
        each.close()
