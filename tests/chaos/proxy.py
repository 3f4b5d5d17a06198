"""
The proxy between daemons and the engine, which passes calls on, or does what a fault says.

What a fault may explain is written into the ledger before anybody can feel it.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from contextlib import suppress
from json import dumps, loads
from pathlib import Path
from re import compile as compile_pattern
from signal import SIGKILL, Signals
from socket import SO_LINGER, SOL_SOCKET, create_server, socket
from threading import Thread
from time import sleep
from typing import BinaryIO

from tests.chaos.engine import Answer, Call, Engine, refusal
from tests.chaos.faults import CHANGE, Fault, Faults
from tests.chaos.plan import UNREADABLE, plan


KEY = compile_pattern(r"Credential=([^/,]+)/")

#: Answers that no client can read.
NONSENSE = [b"", b"<html>Bad Gateway</html>", b"{", b"null", b"[]", b'{"Messages": 7, "Successful": 7}', b"\xff\xfe"]


class Proxy:
    """
    Answer requests.

    :param engine: does what they ask for
    :param faults: says what goes wrong
    :param kill: sends a signal to the daemon of an access key
    :param visibility_seconds: that of the daemons
    :param directory: where handlers look for the order to die
    """

    def __init__(
        self,
        engine: Engine,
        faults: Faults,
        kill: Callable[[str, Signals], bool],
        visibility_seconds: int,
        directory: Path,
    ) -> None:
        self.engine = engine
        self.faults = faults
        self.kill = kill
        self.visibility_seconds = visibility_seconds
        self.directory = directory
        self.errors: list[str] = []
        self._server = create_server(("127.0.0.1", 0), backlog=128)
        self.url = f"http://127.0.0.1:{self._server.getsockname()[1]}"
        Thread(target=self._accept, name="proxy", daemon=True).start()

    def close(self) -> None:
        """Take no more connections."""
        self._server.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._server.accept()
                Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket) -> None:
        with connection, connection.makefile("rb") as lines, suppress(ConnectionError):
            while call := read_call(lines):
                try:
                    if not self._answer(connection, call):
                        return
                except OSError:
                    raise
                except Exception as error:
                    # a fault of the suite, which must not pass for one that was injected
                    self.errors.append(f"{call.operation}: {error!r}")
                    raise

    def _answer(self, connection: socket, call: Call) -> bool:
        """Answer a call, and return whether the connection can be used again."""
        fault = self.faults.choose(call.operation)
        if fault is None:
            return reply(connection, self.engine.act(call))
        if fault.kind.startswith("SIG"):
            return self._signal(connection, call, fault)
        return bool(INJECT[fault.kind](self, connection, call, fault))

    def _note(self, call: Call, fault: Fault, answer: Answer | None = None) -> None:
        """Count a fault, and write which messages may come twice by it."""
        self.faults.count(fault.kind)
        extends = call.operation == CHANGE and any(
            entry["VisibilityTimeout"] == self.visibility_seconds for entry in call.entries
        )
        # one thread extends all leases, and what holds it up concerns all of them
        ids = [f"*{call.queue}"] if extends else self.engine.ids_of(call, answer)
        self.engine.ledger.write("fault", [fault.kind.replace(" ", "_"), *ids])

    # what goes wrong

    def _reset_before(self, connection: socket, call: Call, fault: Fault) -> bool:
        self._note(call, fault)
        return reset(connection)

    def _reset_after(self, connection: socket, call: Call, fault: Fault) -> bool:
        answer = self.engine.act(call)
        self._note(call, fault, answer)
        return reset(connection)

    def _late(self, connection: socket, call: Call, fault: Fault) -> bool:
        answer = self.engine.act(call)
        self._note(call, fault, answer)
        sleep(fault.random.uniform(0.05, 0.5))
        return reply(connection, answer)

    def _too_late(self, connection: socket, call: Call, fault: Fault) -> bool:
        answer = self.engine.act(call)
        self._note(call, fault, answer)
        sleep(self.visibility_seconds + 0.3)
        return reply(connection, answer)

    def _asked_too_late(self, connection: socket, call: Call, fault: Fault) -> bool:
        self._note(call, fault)
        sleep(self.visibility_seconds + 0.3)
        return reply(connection, self.engine.act(call))

    def _throttle(self, connection: socket, call: Call, fault: Fault) -> bool:
        self._note(call, fault)
        return reply(connection, refusal(fault.random.choice(["RequestThrottled", "ThrottlingException"]), 400))

    def _fail_before(self, connection: socket, call: Call, fault: Fault) -> bool:
        self._note(call, fault)
        return reply(connection, refusal("InternalError", 500))

    def _fail_after(self, connection: socket, call: Call, fault: Fault) -> bool:
        answer = self.engine.act(call)
        self._note(call, fault, answer)
        return reply(connection, refusal("ServiceUnavailable", 503))

    def _cut(self, connection: socket, call: Call, fault: Fault) -> bool:
        answer = self.engine.act(call)
        self._note(call, fault, answer)
        data = to_bytes(answer)
        connection.sendall(data[: fault.random.randrange(len(data))])
        return False

    def _garble(self, connection: socket, call: Call, fault: Fault) -> bool:
        answer = self.engine.act(call)
        self._note(call, fault, answer)
        connection.sendall(frame(200, fault.random.choice(NONSENSE)))
        return True

    def _refuse_some(self, connection: socket, call: Call, fault: Fault) -> bool:
        """Let some entries fail."""
        chosen = choose_entries(call, fault)
        self._note(call, fault)
        rest = [entry for entry in call.entries if entry["Id"] not in chosen]
        answer = Answer({"Successful": [], "Failed": []})
        if rest:
            answer = self.engine.act(Call(call.operation, call.caller, {**call.parameters, "Entries": rest}))
        return reply(connection, with_failed(answer, chosen))

    def _disown_some(self, connection: socket, call: Call, fault: Fault) -> bool:
        """Let some entries succeed, and say that they failed."""
        self._note(call, fault)
        return reply(connection, with_failed(self.engine.act(call), choose_entries(call, fault)))

    def _repeat(self, connection: socket, call: Call, fault: Fault) -> bool:
        answer = self.engine.act(call)
        messages = answer.body.get("Messages") or []
        # no more than were asked for
        room = call.parameters.get("MaxNumberOfMessages", 1) - len(messages)
        if messages and room > 0:
            self._note(call, fault, answer)
            again = fault.random.sample(messages, min(room, len(messages)))
            answer = Answer({"Messages": [*messages, *again]})
        return reply(connection, answer)

    def _jump(self, connection: socket, call: Call, fault: Fault) -> bool:
        self.faults.count(fault.kind)
        self.engine.ledger.write("fault", [fault.kind.replace(" ", "_"), "*s", "*f"])
        # ahead by more than a visibility timeout, or back by less than one
        self.engine.jump(fault.random.choice([self.visibility_seconds + 1, self.visibility_seconds * 3, -1]))
        return reply(connection, self.engine.act(call))

    def _signal(self, connection: socket, call: Call, fault: Fault) -> bool:
        """Send the caller a signal, at the moment that the fault says."""
        name, moment = fault.kind.split(": ")
        number = Signals[name]
        if moment == "running":
            return self._order_death(connection, call, fault, number)
        before = moment in ("handled, not deleted", "lease at stake", "given up, not sent")
        answer = None if before and number == SIGKILL else self.engine.act(call)
        if moment == "received":
            reply(connection, answer or self.engine.act(call))
        if number == SIGKILL:
            self.engine.ledger.write("fault", [fault.kind.replace(" ", "_"), f"*{call.queue}"])
        if self.kill(call.caller, number):
            self.faults.count(fault.kind)
        if moment == "received":
            return True
        return False if number == SIGKILL or answer is None else reply(connection, answer)

    def _order_death(self, connection: socket, call: Call, fault: Fault, number: Signals) -> bool:
        answer = self.engine.act(call)
        ids = self.engine.ids_of(call, answer)
        handled = [each for each in ids if plan(self.faults.seed, each).kind not in UNREADABLE]
        if handled:
            self.faults.count(fault.kind)
            (self.directory / f"die-{fault.random.choice(handled)}").write_text(str(int(number)))
        return reply(connection, answer)


INJECT: dict[str, Callable[[Proxy, socket, Call, Fault], bool]] = {
    "connection reset before the engine acted": Proxy._reset_before,
    "connection reset after the engine acted": Proxy._reset_after,
    "reply late": Proxy._late,
    "reply later than the visibility timeout": Proxy._too_late,
    "request later than the visibility timeout": Proxy._asked_too_late,
    "throttled": Proxy._throttle,
    "error 500 before the engine acted": Proxy._fail_before,
    "error 503 after the engine acted": Proxy._fail_after,
    "reply cut short": Proxy._cut,
    "reply that makes no sense": Proxy._garble,
    "entries refused": Proxy._refuse_some,
    "entries reported as refused": Proxy._disown_some,
    "delivered twice in one answer": Proxy._repeat,
    "clock jumps": Proxy._jump,
}


def choose_entries(call: Call, fault: Fault) -> set[str]:
    """Choose at least one entry of a batch."""
    ids = [entry["Id"] for entry in call.entries]
    return set(fault.random.sample(ids, fault.random.randint(1, len(ids))))


def with_failed(answer: Answer, chosen: set[str]) -> Answer:
    """Return an answer in which some entries failed."""
    succeeded = [entry for entry in answer.body.get("Successful") or () if entry["Id"] not in chosen]
    failed = [entry for entry in answer.body.get("Failed") or () if entry["Id"] not in chosen]
    failed += [
        {"Id": entry, "SenderFault": False, "Code": "InternalError", "Message": "chaos"} for entry in sorted(chosen)
    ]
    return Answer({"Successful": succeeded, "Failed": failed})


def read_call(lines: BinaryIO) -> Call | None:
    """Read one request; None at the end of the connection."""
    if not lines.readline():
        return None
    headers = {}
    while line := lines.readline().strip():
        name, _, value = line.decode().partition(":")
        headers[name.lower()] = value.strip()
    length = int(headers.get("content-length", 0))
    content = lines.read(length)
    if not length or len(content) < length:
        # who asked was killed meanwhile
        return None
    key = KEY.search(headers.get("authorization", ""))
    parameters = loads(content)
    operation = headers["x-amz-target"].rpartition(".")[2]
    return Call(operation, key[1] if key else "", parameters)


def frame(status: int, content: bytes, headers: str = "") -> bytes:
    head = f"HTTP/1.1 {status} X\r\nContent-Type: application/x-amz-json-1.0\r\n{headers}"
    return f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content


def to_bytes(answer: Answer) -> bytes:
    # https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-json-faqs.html
    headers = f"x-amzn-query-error: {answer.code};Sender\r\n" if answer.code else ""
    return frame(answer.status, dumps(answer.body).encode(), headers)


def reply(connection: socket, answer: Answer) -> bool:
    """Send an answer."""
    connection.sendall(to_bytes(answer))
    return True


def reset(connection: socket) -> bool:
    """End a connection by a reset. https://man7.org/linux/man-pages/man7/socket.7.html"""
    connection.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
    return False
