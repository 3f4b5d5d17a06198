"""
Handle messages that point to a resource, which a URIHandler fetches.

A resource that is not there yet is a reason to try again later. Here a server on this machine has order 1
and no other.
"""

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from json import dumps
from os import environ
from tempfile import TemporaryDirectory
from threading import Thread
from typing import Any

from microcosm.api import binding

from microcosm_pubsub import ConsumerDaemon, created, handles
from microcosm_pubsub.handlers import URIHandler


class OrdersServer(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        found = self.path == "/orders/1"
        body = dumps({"id": 1, "items": ["tea", "milk"]} if found else {}).encode()
        self.send_response(200 if found else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@binding("pack_order")
@handles(created("order"))
class PackOrder(URIHandler):
    def handle(self, message: Any, uri: str, resource: Any) -> bool:
        print("packing", " and ".join(resource["items"]))
        return True


class PackingDaemon(ConsumerDaemon):
    name = "packing"
    components = ["pack_order"]
    defaults = {"pubsub_uri_session": {"allowed_hosts": ["127.0.0.1"]}, "logging": {"level": "CRITICAL"}}


if __name__ == "__main__":
    with TemporaryDirectory() as directory, ThreadingHTTPServer(("127.0.0.1", 0), OrdersServer) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        environ["PUBSUB_BROKER_URL"] = f"sqlite:///{directory}/pubsub.db"
        daemon = PackingDaemon()
        daemon.initialize()
        for uri in (f"http://127.0.0.1:{server.server_port}/orders/{number}" for number in (1, 2)):
            daemon.graph.sns_producer.produce(created("order"), uri=uri)
        daemon.graph.sns_producer.produce(created("order"), uri="http://elsewhere.example.com/orders/3")
        for result in daemon.graph.sqs_message_dispatcher.handle_batch(daemon.bound_handlers):
            print(result.outcome, *result.extra.values())
        server.shutdown()
