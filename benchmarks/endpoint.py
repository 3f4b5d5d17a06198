"""
An endpoint of SQS and SNS that answers from memory, in a process of its own.

    python -m benchmarks.endpoint [--latency-seconds S] [--messages N] [--tls DIRECTORY]

It measures clients, so it does as little as it can: it keeps nothing, believes every signature, and every queue and
every topic is the same one. `GET /counts` tells what it was asked.
"""

from __future__ import annotations

import ssl
import sys
from argparse import ArgumentParser
from asyncio import Protocol, Transport, get_running_loop, run
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import formatdate
from functools import cache
from hashlib import md5
from ipaddress import ip_address
from json import dumps, load, loads
from pathlib import Path
from re import IGNORECASE
from re import compile as compile_pattern
from subprocess import PIPE, Popen
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import unquote_plus
from urllib.request import urlopen


#: What the messages are, and the fields that they carry beside it.
MEDIA_TYPE = "application/vnd.globality.pubsub._.created.order"

CONTENT_LENGTH = compile_pattern(rb"\r\ncontent-length: *(\d+)", IGNORECASE)
TARGET = compile_pattern(rb"\r\nx-amz-target: *AmazonSQS\.(\w+)", IGNORECASE)
ACTION = compile_pattern(rb"(?:^|&)Action=(\w+)")
ENTRY_ID = compile_pattern(rb"PublishBatchRequestEntries\.member\.\d+\.Id=([^&]*)")

#: Stands in a prepared answer for what tells one answer from the next.
SERIAL = b"########"

LONGEST_WAIT_SECONDS = 1.0


@dataclass(frozen=True)
class Endpoint:
    """A running endpoint."""

    url: str
    #: the certificates to verify it with, if it speaks TLS
    ca_file: str | None

    @property
    def queue_url(self) -> str:
        return f"{self.url}/000000000000/queue"

    @property
    def topic_arn(self) -> str:
        return "arn:aws:sns:us-east-1:000000000000:topic"

    def counts(self) -> dict[str, int]:
        """Tell how often each operation was called, and of `messages`, `connections` and `open_connections`."""
        context = ssl.create_default_context(cafile=self.ca_file) if self.ca_file else None
        with urlopen(f"{self.url}/counts", context=context) as answer:
            return dict(load(answer))


@contextmanager
def serve(latency_seconds: float = 0.0, *, tls: bool = False, messages: int | None = None) -> Iterator[Endpoint]:
    """
    Run an endpoint while the block runs.

    :param latency_seconds: how long each answer takes
    :param tls: whether it speaks TLS, with a certificate of its own
    :param messages: how many messages the queue has; without end if None. Once it has none left, a receive is answered
        empty after its `WaitTimeSeconds`, but after a second at most.
    """
    with TemporaryDirectory() as directory:
        command = [sys.executable, __file__, "--latency-seconds", str(latency_seconds)]
        if messages is not None:
            command += ["--messages", str(messages)]
        ca_file = make_certificate(Path(directory)) if tls else None
        if ca_file:
            command += ["--tls", directory]
        with Popen(command, stdout=PIPE, text=True) as process:
            try:
                assert process.stdout is not None
                url = process.stdout.readline().strip()
                assert url, "The endpoint did not start"
                yield Endpoint(url, ca_file)
            finally:
                process.terminate()


def make_certificate(directory: Path) -> str:
    """Write `key.pem` and `certificate.pem` of 127.0.0.1, and return the path of the second."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem, clear = serialization.Encoding.PEM, serialization.NoEncryption()
    (directory / "key.pem").write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, clear))
    path = directory / "certificate.pem"
    path.write_bytes(certificate.public_bytes(pem))
    return str(path)


def make_reply(content: bytes, content_type: bytes, status: bytes = b"200 OK") -> bytes:
    head = b"HTTP/1.1 %b\r\nx-amzn-RequestId: %b-0000-4000-8000-000000000000\r\nDate: %b\r\nContent-Type: %b\r\n" % (
        status,
        SERIAL,
        formatdate(usegmt=True).encode(),
        content_type,
    )
    return b"%bContent-Length: %d\r\nConnection: keep-alive\r\n\r\n%b" % (head, len(content), content)


def make_json_reply(content: Any, status: bytes = b"200 OK") -> bytes:
    return make_reply(dumps(content, separators=(",", ":")).encode(), b"application/x-amz-json-1.0", status)


def make_xml_reply(action: str, result: str) -> bytes:
    content = (
        f'<{action}Response xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><{action}Result>{result}</{action}Result>'
        f"<ResponseMetadata><RequestId>{SERIAL.decode()}-0000-4000-8000-000000000000</RequestId></ResponseMetadata>"
        f"</{action}Response>"
    )
    return make_reply(content.encode(), b"text/xml")


def make_id(index: int) -> str:
    return f"{SERIAL.decode()}-0000-4000-8000-{index:012d}"


def make_message(index: int) -> dict[str, Any]:
    """Make a message of raw delivery, as `ReceiveMessage` gives it; its ids are unique, its body is one of ten."""
    body = dumps(
        {
            "mediaType": MEDIA_TYPE,
            "orderId": f"0b5c0f2e-7a51-4f0e-9d1c-{index:012d}",
            "customer": f"Customer number {index} of Example Street 42, Springfield",
            "amount": 1999 + index,
            "currency": "EUR",
            "note": "to be left with the neighbours, if nobody answers the door",
        }
    )
    return {
        "MessageId": make_id(index),
        "ReceiptHandle": f"AQEB{SERIAL.decode()}{index:02d}" + "x" * 170,
        "MD5OfBody": md5(body.encode(), usedforsecurity=False).hexdigest(),
        "Body": body,
        "Attributes": {"ApproximateReceiveCount": "1"},
    }


@cache
def make_received(number: int) -> bytes:
    return make_json_reply({"Messages": [make_message(index) for index in range(number)]} if number else {})


@cache
def make_settled(ids: tuple[str, ...]) -> bytes:
    return make_json_reply({"Successful": [{"Id": entry_id} for entry_id in ids], "Failed": []})


@cache
def make_published(ids: tuple[bytes, ...]) -> bytes:
    members = "".join(
        f"<member><Id>{unquote_plus(entry_id.decode())}</Id><MessageId>{make_id(index)}</MessageId></member>"
        for index, entry_id in enumerate(ids)
    )
    return make_xml_reply("PublishBatch", f"<Failed/><Successful>{members}</Successful>")


@cache
def make_simple(operation: str) -> bytes:
    if operation == "Publish":
        return make_xml_reply("Publish", f"<MessageId>{make_id(0)}</MessageId>")
    if operation in ("DeleteMessage", "ChangeMessageVisibility"):
        return make_json_reply({})
    if operation == "GetQueueAttributes":
        return make_json_reply({"Attributes": {"VisibilityTimeout": "30"}})
    error = {"__type": "com.amazonaws.sqs#UnsupportedOperation", "message": f"No {operation} here"}
    return make_json_reply(error, b"400 Bad Request")


def digest(text: str) -> str:
    return md5(text.encode(), usedforsecurity=False).hexdigest()


class Queue:
    """What the endpoint remembers: how often it was asked what, and how many messages are left."""

    def __init__(self, messages: int | None):
        self.left = messages
        self.counts: Counter[str] = Counter(messages=0, connections=0, open_connections=0)
        self.serial = 0

    def answer(self, head: bytes, content: bytes) -> tuple[bytes, float]:
        """Return the reply to a request, and how many seconds more it takes."""
        if head.startswith(b"GET /counts"):
            return make_json_reply(self.counts), 0.0
        target = TARGET.search(head) or ACTION.search(content)
        operation = target[1].decode() if target else "Unknown"
        self.counts[operation] += 1
        self.serial += 1
        wait = 0.0
        if operation == "ReceiveMessage":
            reply, wait = self.receive(loads(content))
        elif operation in ("DeleteMessageBatch", "ChangeMessageVisibilityBatch"):
            reply = make_settled(tuple(entry["Id"] for entry in loads(content)["Entries"]))
        elif operation == "PublishBatch":
            reply = make_published(tuple(ENTRY_ID.findall(content)))
        elif operation in ("SendMessageBatch", "SendMessage"):
            reply = self.send(operation, loads(content))
        elif operation == "GetQueueUrl":
            host = next(line for line in head.split(b"\r\n") if line[:5].lower() == b"host:")[5:].strip().decode()
            reply = make_json_reply({"QueueUrl": f"http://{host}/000000000000/queue"})
        else:
            reply = make_simple(operation)
        return reply.replace(SERIAL, b"%08x" % self.serial), wait

    def receive(self, asked: dict[str, Any]) -> tuple[bytes, float]:
        number = asked.get("MaxNumberOfMessages", 1)
        if self.left is not None:
            number = min(number, self.left)
            self.left -= number
        self.counts["messages"] += number
        wait = 0.0 if number else min(asked.get("WaitTimeSeconds", 0), LONGEST_WAIT_SECONDS)
        return make_received(number), wait

    def send(self, operation: str, asked: dict[str, Any]) -> bytes:
        if operation == "SendMessage":
            return make_json_reply({"MD5OfMessageBody": digest(asked["MessageBody"]), "MessageId": make_id(0)})
        sent = [
            {"Id": entry["Id"], "MessageId": make_id(index), "MD5OfMessageBody": digest(entry["MessageBody"])}
            for index, entry in enumerate(asked["Entries"])
        ]
        return make_json_reply({"Successful": sent, "Failed": []})


class Connection(Protocol):
    """One connection: requests come one after another, and each is answered."""

    def __init__(self, queue: Queue, latency_seconds: float, call_later: Callable[..., Any]):
        self.queue, self.latency_seconds, self.call_later = queue, latency_seconds, call_later
        self.received = b""

    def connection_made(self, transport: Any) -> None:
        self.transport: Transport = transport
        self.queue.counts["connections"] += 1
        self.queue.counts["open_connections"] += 1

    def connection_lost(self, error: Exception | None) -> None:
        self.queue.counts["open_connections"] -= 1

    def data_received(self, data: bytes) -> None:
        data = self.received + data if self.received else data
        end = data.find(b"\r\n\r\n") + 2
        length = CONTENT_LENGTH.search(data, 0, end) if end > 1 else None
        total = end + 2 + (int(length[1]) if length else 0)
        if end < 2 or len(data) < total:
            self.received = data
            return
        self.received = data[total:]
        reply, wait = self.queue.answer(data[:end], data[end + 2 : total])
        if wait := wait + self.latency_seconds:
            self.call_later(wait, self.transport.write, reply)
        else:
            self.transport.write(reply)


async def listen(latency_seconds: float, messages: int | None, tls: str | None) -> None:
    """Print the URL, and answer until the process is ended."""
    context = None
    if tls:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(Path(tls) / "certificate.pem", Path(tls) / "key.pem")
    loop, queue = get_running_loop(), Queue(messages)
    server = await loop.create_server(
        lambda: Connection(queue, latency_seconds, loop.call_later), "127.0.0.1", 0, ssl=context, backlog=1024
    )
    port = server.sockets[0].getsockname()[1]
    print(f"{'https' if tls else 'http'}://127.0.0.1:{port}", flush=True)
    await server.serve_forever()


def main() -> None:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--latency-seconds", type=float, default=0.0)
    parser.add_argument("--messages", type=int, help="how many the queue has; default: without end")
    parser.add_argument("--tls", metavar="DIRECTORY", help="speak TLS with its certificate.pem and key.pem")
    arguments = parser.parse_args()
    run(listen(arguments.latency_seconds, arguments.messages, arguments.tls))


if __name__ == "__main__":
    main()
