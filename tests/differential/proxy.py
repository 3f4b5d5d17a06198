"""
A small proxy: tunnels where it is asked to (`CONNECT`), and passes on what it is asked for by its whole URL.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from socket import SHUT_WR, create_connection, create_server, socket
from threading import Thread
from urllib.parse import urlsplit

from tests.differential.server import Request, read_request


@dataclass
class Proxy:
    """A proxy, and what it was asked."""

    port: int
    requests: list[Request] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://user:secret@127.0.0.1:{self.port}"

    def talk(self, client: socket) -> None:
        with client, suppress(OSError):
            reader = client.makefile("rb")
            while request := read_request(reader):
                self.requests.append(request)
                if request.method == "CONNECT":
                    host, _, port = request.target.partition(":")
                    with create_connection((host, int(port))) as server:
                        client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                        back = Thread(target=pump, args=(server, client), daemon=True)
                        back.start()
                        pump(client, server)
                        back.join()
                    return
                self.forward(request, client)

    def forward(self, request: Request, client: socket) -> None:
        url = urlsplit(request.target)
        with create_connection((url.hostname, url.port or 80)) as server:
            head = [
                f"{request.method} {url.path or '/'} HTTP/1.1",
                *(f"{key}: {value}" for key, value in request.headers),
            ]
            server.sendall("\r\n".join([*head, "\r\n"]).encode() + request.body)
            # it answers this one, and sees that there are no more
            server.shutdown(SHUT_WR)
            while chunk := server.recv(65536):
                client.sendall(chunk)


def pump(source: socket, target: socket) -> None:
    """Pass on what comes until it ends."""
    with suppress(OSError):
        while chunk := source.recv(65536):
            target.sendall(chunk)
        target.shutdown(SHUT_WR)


@contextmanager
def run_proxy() -> Iterator[Proxy]:
    """Run a proxy while the block runs."""
    with create_server(("127.0.0.1", 0)) as listener:
        proxy = Proxy(listener.getsockname()[1])

        def accept() -> None:
            with suppress(OSError):
                while True:
                    client, _ = listener.accept()
                    Thread(target=proxy.talk, args=(client,), daemon=True).start()

        thread = Thread(target=accept, daemon=True)
        thread.start()
        yield proxy
        with suppress(OSError):
            listener.shutdown(2)
    thread.join()
