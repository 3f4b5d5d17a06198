"""
A server that records what it is asked, and answers with the bytes that it is told to send.
"""

import struct
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from socket import SO_LINGER, SOL_SOCKET, create_server, socket
from threading import Thread


@dataclass(frozen=True)
class Request:
    """A request as it came."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name), None)


@dataclass(frozen=True)
class Reply:
    """What is sent, and what becomes of the connection after it."""

    content: bytes
    #: "keep", "close", "reset" or "hang" (until the client gives up)
    then: str = "keep"
    #: is what it is called in a failure
    kind: str = ""


@dataclass
class Server:
    """A server with a script."""

    port: int
    script: deque[Reply] = field(default_factory=deque)
    requests: list[Request] = field(default_factory=list)
    connections: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def queue_url(self) -> str:
        return f"{self.url}/000000000000/queue"

    def play(self, *replies: Reply) -> None:
        """Answer with these replies, one after another, and forget what was asked before."""
        self.requests.clear()
        self.script.clear()
        self.script.extend(replies)

    def talk(self, connection: socket) -> None:
        self.connections += 1
        with connection, suppress(OSError):
            reader = connection.makefile("rb")
            while request := read_request(reader):
                self.requests.append(request)
                reply = self.script.popleft()
                connection.sendall(reply.content)
                if reply.then == "reset":
                    connection.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
                if reply.then == "hang":
                    reader.read(1)
                if reply.then != "keep":
                    reader.close()
                    return


def read_request(reader) -> Request | None:
    line = reader.readline().decode("latin-1").split(" ")
    if len(line) != 3:
        return None
    headers = []
    while (text := reader.readline().decode("latin-1").rstrip("\r\n")) != "":
        name, _, value = text.partition(":")
        headers.append((name, value.strip()))
    length = next((int(value) for name, value in headers if name.lower() == "content-length"), 0)
    return Request(line[0], line[1], headers, reader.read(length))


@contextmanager
def run_server() -> Iterator[Server]:
    """Run a server while the block runs."""
    with create_server(("127.0.0.1", 0)) as listener:
        server = Server(listener.getsockname()[1])

        def accept() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    Thread(target=server.talk, args=(connection,), daemon=True).start()

        thread = Thread(target=accept, daemon=True)
        thread.start()
        yield server
        # wakes `accept`, which a close does not
        with suppress(OSError):
            listener.shutdown(2)
    thread.join()
