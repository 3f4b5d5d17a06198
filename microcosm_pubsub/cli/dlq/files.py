"""
`pubsub dlq export` and `import`: messages into a file, and from there into a queue.
"""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from os import O_DIRECTORY, O_RDONLY, close, fsync
from os import open as open_descriptor
from pathlib import Path
from secrets import token_hex
from typing import BinaryIO, TextIO

from microcosm_pubsub.cli.dlq.flags import make_filter
from microcosm_pubsub.cli.dlq.session import Session, make_reader, open_session, print_json
from microcosm_pubsub.constants import MAX_BATCH_ENTRIES
from microcosm_pubsub.dead_letters.scan import Scan
from microcosm_pubsub.dead_letters.sender import OutgoingMessage, QueueSender
from microcosm_pubsub.dead_letters.transfer import from_line, to_line
from microcosm_pubsub.errors import ConfigurationError, DecodeError
from microcosm_pubsub.message import Groups
from microcosm_pubsub.message.raw import RawMessage


STANDARD = "-"


def export(args: Namespace) -> int:
    """Write messages to a file, or to stdout, and delete them if asked to."""
    with open_session(args) as session:
        read, wanted = make_reader(args), make_filter(args)
        queue = session.find_queue_to_receive_from()
        written, undeleted = 0, 0
        with open_output(args.output) as out, session.scan(queue) as scan:
            while (args.max is None or written < args.max) and (messages := scan.receive()):
                chosen = [message for message in messages if wanted.is_empty or wanted(read(message))]
                if args.max is not None:
                    del chosen[args.max - written :]
                undeleted += write(out, scan, chosen, delete=args.delete)
                written += len(chosen)
        session.note(f"{written} written" + (f", and deleted from {queue.name}" if args.delete else ""))
        session.note_scan(scan, queue)
        session.note_unreleased(scan)
        if undeleted:
            session.note(f"{undeleted} of them could not be deleted: they are in both places")
        if session.interrupts.is_set:
            return session.interrupts.exit_code
    return 1 if undeleted else 0


def write(out: TextIO, scan: Scan, messages: list[RawMessage], delete: bool) -> int:
    """Write messages, delete them when they are safe, and return how many could not be deleted."""
    out.writelines(f"{to_line(message)}\n" for message in messages)
    out.flush()
    if not delete or not messages:
        return 0
    fsync(out.fileno())
    return len(scan.delete(messages))


@contextmanager
def open_output(path: str) -> Iterator[TextIO]:
    """
    Give a new file to write to, or stdout.

    :raises ConfigurationError: if there is such a file already, or it cannot be made
    """
    if path == STANDARD:
        yield sys.stdout
        return
    try:
        file = open(path, "x", encoding="utf-8")  # noqa: SIM115
    except FileExistsError:
        raise ConfigurationError(f"{path} exists already, and may hold messages: name another file") from None
    except OSError as error:
        raise ConfigurationError(f"Cannot write to {path}: {error.strerror}") from error
    with file:
        # The file's name must survive a loss of power too.
        directory = open_descriptor(Path(path).absolute().parent, O_RDONLY | O_DIRECTORY)
        fsync(directory)
        close(directory)
        yield file


def import_(args: Namespace) -> int:
    """Send the messages of a file, or of stdin, to a queue."""
    with open_session(args, deferred=False) as session, open_input(args.file) as lines:
        work = Import(session, args.file, session.resolve(args.to))
        try:
            for number, line in enumerate(lines, 1):
                work.add(number, line)
            work.send()
        except KeyboardInterrupt:
            session.note(f"Interrupted: the lines from {work.next_number} on were not sent, or perhaps not")
            raise
        finally:
            session.note(f"{work.sent} sent, {work.bad} not")
    if args.json:
        print_json({"sent": work.sent, "bad": work.bad})
    return 1 if work.bad else 0


class Import:
    """
    Send lines to a queue, ten at a time; a fault of one line concerns that line.

    :param name: of the file
    """

    def __init__(self, session: Session, name: str, queue_url: str) -> None:
        self.session = session
        self.name = name
        self.sender = QueueSender(session.client, queue_url)
        self.run = token_hex(4)
        self.sent = 0
        self.bad = 0
        self.next_number = 1
        self._batch: list[tuple[int, OutgoingMessage]] = []
        self._groups = Groups(ordered=self.sender.fifo)

    def add(self, number: int, line: bytes) -> None:
        """Take a line."""
        if line.strip():
            try:
                message = from_line(line, f"{self.run}:{number}")
            except DecodeError as error:
                self._refuse(number, str(error))
            else:
                if self._groups.is_blocked(message.group_id):
                    self._refuse(number, "an earlier message of its group was not sent")
                else:
                    self._batch.append((number, message))
        if len(self._batch) == MAX_BATCH_ENTRIES:
            self.send()
        elif not self._batch:
            self.next_number = number + 1

    def send(self) -> None:
        """Send the lines that were taken."""
        errors = self.sender.send([message for _, message in self._batch])
        for (number, message), error in zip(self._batch, errors, strict=True):
            if error is None:
                self.sent += 1
                continue
            self._refuse(number, str(error))
            self._groups.block(message.group_id)
        if self._batch:
            self.next_number = self._batch[-1][0] + 1
        self._batch = []

    def _refuse(self, number: int, why: str) -> None:
        self.bad += 1
        self.session.console.print(f"{self.name}:{number}: {why}", markup=False)


@contextmanager
def open_input(path: str) -> Iterator[BinaryIO]:
    """
    Give a file to read from, or stdin.

    :raises ConfigurationError: if it cannot be read
    """
    if path == STANDARD:
        yield sys.stdin.buffer
        return
    try:
        file = open(path, "rb")  # noqa: SIM115
    except OSError as error:
        raise ConfigurationError(f"Cannot read {path}: {error.strerror}") from error
    with file:
        yield file
