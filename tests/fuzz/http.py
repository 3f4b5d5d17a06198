"""
Requests that no client would send: odd methods, paths, headers and bodies, many of them, against one server.

    python -m tests.fuzz.http [--requests 1000000] [--seed N] [--connections 16] [--url http://127.0.0.1:4566]

Whatever comes, the server answers without a 5xx (except that it has too many connections), or closes the connection,
and goes on: every so often a whole round is made that must succeed.
"""

from __future__ import annotations

from argparse import ArgumentParser
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from json import dumps
from logging import ERROR, Handler, LogRecord, getLogger
from random import Random, randrange
from socket import create_connection
from urllib.parse import quote, urlsplit


METHODS = [b"GET", b"POST", b"PUT", b"HEAD", b"DELETE", b"OPTIONS", b"PATCH", b"BREW", b"\xff", b""]

NAMES = [
    *(b"Host", b"Content-Length", b"Transfer-Encoding", b"Content-Type", b"Content-Encoding", b"Expect", b"Connection"),
    *(b"Upgrade", b"X-Amz-Target", b"Authorization", b"X-Amz-Date", b"X-Amz-Content-Sha256", b"X-\xc3\xa4", b" ", b""),
]

VALUES = [
    *(b"", b"0", b"-1", b"5", b"99999999999999999999", b"chunked", b"gzip", b"100-continue", b"close", b"websocket"),
    *(b"AmazonSQS.SendMessage", b"AmazonSQS.ReceiveMessage", b"AmazonSQS.CreateQueue", b"AmazonSQS.", b"a" * 9000),
    *(b"\x00", b"\xff\xfe", b"localhost:4566", b"[::1]:1", b"sqs.eu-west-1.localhost", b"application/x-amz-json-1.0"),
    b"AWS4-HMAC-SHA256 Credential=a/20300101/eu-west-1/sqs/aws4_request, SignedHeaders=host, Signature=0",
    b"AWS4-HMAC-SHA256 Credential=a/20300101/eu-west-1/dynamodb/aws4_request, SignedHeaders=, Signature=",
]

ATOMS = [
    None,
    True,
    0,
    -1,
    2**70,
    1.5,
    "",
    "orders",
    "http://127.0.0.1/0/fuzz",
    "\ud800",
    "\x00",
    "ä" * 50,
    [],
    {},
    "All",
]

MEMBERS = [
    *("QueueUrl", "QueueName", "MessageBody", "Entries", "Id", "ReceiptHandle", "MessageAttributes", "StringValue"),
    *("DataType", "BinaryValue", "Attributes", "VisibilityTimeout", "MaxNumberOfMessages", "AttributeNames", "Label"),
    *("TopicArn", "Message", "Name", "Protocol", "Endpoint", "FilterPolicy", "NextToken", "MaxResults", "SourceArn"),
]

ACTIONS = [
    *("SendMessage", "SendMessageBatch", "ReceiveMessage", "DeleteMessage", "CreateQueue", "GetQueueAttributes"),
    *("ListQueues", "Publish", "PublishBatch", "CreateTopic", "Subscribe", "ListTopics", "SetSubscriptionAttributes"),
    *("GetCallerIdentity", "AddPermission", "StartMessageMoveTask", "ChangeMessageVisibilityBatch", "TagQueue", "Fly"),
]


class Fuzzer:
    """
    Make up requests.

    :param seed: the same one makes the same requests
    """

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)

    def request(self) -> bytes:
        """Return the bytes of a request, more or less."""
        kind = self.random.random()
        if kind < 0.4:
            return self._json()
        if kind < 0.8:
            return self._form()
        return self._odd()

    def _json(self) -> bytes:
        body = dumps(self._value(3)).encode()
        if self.random.random() < 0.1:
            body = self._spoil(body)
        target = f"AmazonSQS.{self.random.choice(ACTIONS)}".encode()
        return self._whole(b"POST", b"/", [(b"X-Amz-Target", target)], body)

    def _form(self) -> bytes:
        fields = [("Action", self.random.choice(ACTIONS))]
        for _ in range(self.random.randrange(6)):
            name = ".".join(
                str(self.random.choice([*MEMBERS, 1, 2, "member", "entry", "Name", "Value"]))
                for _ in range(self.random.randrange(1, 5))
            )
            fields.append((name, str(self.random.choice(ATOMS)).encode(errors="replace").decode()))
        body = "&".join(f"{quote(name)}={quote(value)}" for name, value in fields).encode()
        if self.random.random() < 0.1:
            body = self._spoil(body)
        path = self.random.choice([b"/", b"/000000000000/fuzz", b"/?Version=2012-11-05", b"//", b"/%ff/%00"])
        return self._whole(b"POST", path, [(b"Content-Type", b"application/x-www-form-urlencoded")], body)

    def _odd(self) -> bytes:
        path = b"/" + self.random.randbytes(self.random.randrange(30)) if self.random.random() < 0.3 else b"/health"
        headers = [(self.random.choice(NAMES), self.random.choice(VALUES)) for _ in range(self.random.randrange(6))]
        head = b"".join(name + b": " + value + b"\r\n" for name, value in headers)
        method = self.random.choice(METHODS)
        text = (
            method + b" " + path + b" HTTP/1.1\r\n" + head + b"\r\n" + self.random.randbytes(self.random.randrange(40))
        )
        return self._spoil(text) if self.random.random() < 0.3 else text

    def _whole(self, method: bytes, path: bytes, headers: list[tuple[bytes, bytes]], body: bytes) -> bytes:
        if self.random.random() < 0.2:
            headers = [
                *headers,
                (self.random.choice([b"X-Amz-Date", b"Authorization", b"Host"]), self.random.choice(VALUES)),
            ]
        # so that the end of the answer is seen at once
        headers = [*headers, (b"Connection", b"close")]
        head = b"".join(name + b": " + value + b"\r\n" for name, value in headers)
        length = b"Content-Length: %d\r\n\r\n" % len(body)
        return method + b" " + path + b" HTTP/1.1\r\nHost: fuzz\r\n" + head + length + body

    def _value(self, depth: int) -> object:
        if depth and self.random.random() < 0.7:
            names = self.random.sample(MEMBERS, self.random.randrange(6))
            return {name: self._value(depth - 1) for name in names}
        if depth and self.random.random() < 0.3:
            return [self._value(depth - 1) for _ in range(self.random.randrange(4))]
        return self.random.choice(ATOMS)

    def _spoil(self, text: bytes) -> bytes:
        spoiled = bytearray(text)
        for _ in range(self.random.randrange(1, 5)):
            if spoiled:
                spoiled[self.random.randrange(len(spoiled))] = self.random.randrange(256)
        return bytes(spoiled[: self.random.randrange(1, len(spoiled) + 2)])


def run(url: str, requests: int, seed: int, connections: int = 1, tell_every: int = 0) -> dict[int, int]:
    """
    Send requests, and return how many answers of each status came; 0 stands for a connection that was closed.

    :param seed: of the first connection; each has one of its own
    :param connections: at a time
    :param tell_every: print how far a connection is after this many; 0 prints nothing
    :raises AssertionError: at an answer that says that the server failed
    """
    share = -(-requests // connections)
    with ThreadPoolExecutor(connections) as pool:
        ran = [pool.submit(run_one, url, share, seed + number, tell_every) for number in range(connections)]
        statuses: Counter[int] = Counter()
        for each in ran:
            statuses.update(each.result())
    return dict(statuses)


def run_one(url: str, requests: int, seed: int, tell_every: int = 0) -> dict[int, int]:
    """
    Send requests one after the other, and return how many answers of each status came.

    :param tell_every: print how far it is after this many; 0 prints nothing
    :raises AssertionError: at an answer that says that the server failed
    """
    parts = urlsplit(url)
    address = (str(parts.hostname), parts.port or 80)
    fuzzer = Fuzzer(seed)
    statuses: dict[int, int] = {}
    for number in range(requests):
        request = fuzzer.request()
        status = send(address, request)
        assert status < 500, f"request {number} of seed {seed} was answered {status}: {request!r}"
        statuses[status] = statuses.get(status, 0) + 1
        if number % 500 == 0:
            check_sound(address)
        if tell_every and number and number % tell_every == 0:
            print(f"seed {seed}: {number:,} requests: {statuses}", flush=True)
    check_sound(address)
    return statuses


def send(address: tuple[str, int], request: bytes, patience_seconds: float = 0.02) -> int:
    """
    Send bytes, and return the status of the first answer that is final.

    :param patience_seconds: after so long without a byte, hang up: the request was none, or has no end
    """
    answer = b""
    with create_connection(address, timeout=30) as connection:
        connection.settimeout(patience_seconds)
        try:
            connection.sendall(request)
            while part := connection.recv(65536):
                answer += part
        except TimeoutError:
            pass
        except (BrokenPipeError, ConnectionResetError):
            pass
    final = answer.removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n")
    return int(final[9:12]) if final.startswith(b"HTTP/1.1 ") else 0


def check_sound(address: tuple[str, int]) -> None:
    """
    Ask for the server's health.

    :raises AssertionError: if it is not well
    """
    status = send(address, b"GET /health HTTP/1.1\r\nHost: fuzz\r\nConnection: close\r\n\r\n", 30)
    assert status == 200, f"the server's health was answered {status}"


class Failures(Handler):
    """Keep what a server in this process says of its own failures."""

    def __init__(self, level: int) -> None:
        super().__init__(level)
        self.records: list[LogRecord] = []

    def emit(self, record: LogRecord) -> None:
        """Keep a record."""
        self.records.append(record)


def main() -> None:
    """Send requests to a server, by default to one of our own."""
    from microcosm_pubsub.server import serve

    parser = ArgumentParser(description="Send requests that no client would send.")
    parser.add_argument("--requests", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=randrange(10**6))
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--url", help="a server that runs; by default one is started")
    args = parser.parse_args()
    with ExitStack() as stack:
        # An answer that says so may come when nobody waits for it any more.
        failures = Failures(ERROR)
        getLogger("microcosm_pubsub").addHandler(failures)
        url = args.url or stack.enter_context(serve())
        print(f"seed {args.seed}, {url}", flush=True)
        print(run(url, args.requests, args.seed, args.connections, tell_every=10_000))
    assert not failures.records, failures.records[0].getMessage()


if __name__ == "__main__":
    main()
