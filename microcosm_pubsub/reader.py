"""
Clients that read messages from a file, from stdin, or from memory, in place of a queue.

A line holds either a raw message as `receive_message` gives it (with a `Body`), or the message itself
(`mediaType` and fields). A line that is no JSON object becomes a message that cannot be decoded and whose
id tells the line's number. Nothing can be redelivered, so that acks and nacks change nothing.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from json import dumps, loads
from os import read
from os.path import isfile
from select import select
from typing import Any, cast

from microcosm_pubsub.errors import ConfigurationError, EndOfInput
from microcosm_pubsub.message.raw import BatchAnswer, RawMessage, ReceiveAnswer, SettleEntry


STDIN = "STDIN"

#: How the names of files of messages end.
PATH_ENDINGS = (".json", ".jsonl", ".ndjson", ".txt")

#: The source of messages of a graph whose messages come with Lambda's events.
LAMBDA = "LAMBDA"


def is_stdin(source: str) -> bool:
    """Return whether a source of messages is stdin."""
    return source.upper() == STDIN


def is_url(source: str) -> bool:
    """Return whether a source of messages is a queue's URL."""
    return source.startswith(("http://", "https://"))


def is_path(source: str) -> bool:
    """Return whether a source of messages looks like a file's path: no queue name has a slash, or such an ending."""
    return not is_url(source) and (os.sep in source or source.lower().endswith(PATH_ENDINGS))


def is_event(source: Any) -> bool:
    """Return whether a source of messages is a Lambda event that holds records."""
    records = source.get("Records") if isinstance(source, Mapping) else None
    return isinstance(records, list) and all(isinstance(record, Mapping) for record in records)


def answer_all(entries: Sequence[SettleEntry]) -> BatchAnswer:
    """Return the answer of a batch call all of whose entries succeeded."""
    return {"Successful": [{"Id": entry["Id"]} for entry in entries], "Failed": []}


class Reader:
    """Base of clients whose messages come once, from somewhere else than a queue."""

    #: Whether messages that are not settled come again.
    redelivers = False

    def receive_message(self, **kwargs: Any) -> ReceiveAnswer:
        """
        Return the next messages.

        :raises EndOfInput: if there are none any more
        """
        messages = self.read(kwargs.get("MaxNumberOfMessages", 1), kwargs.get("WaitTimeSeconds", 0))
        return {"Messages": messages} if messages else {}

    def read(self, limit: int, wait_seconds: float) -> list[RawMessage]:
        """Return at most `limit` raw messages, waiting for the first at most `wait_seconds`."""
        raise EndOfInput("There are no messages")

    def delete_message(self, **kwargs: Any) -> dict[str, Any]:
        """Do nothing: a message that was read is gone."""
        return {}

    def change_message_visibility(self, **kwargs: Any) -> dict[str, Any]:
        """Do nothing: a message that was read will not come again."""
        return {}

    def delete_message_batch(self, **kwargs: Any) -> BatchAnswer:
        """Answer that every entry was deleted."""
        return answer_all(kwargs["Entries"])

    def change_message_visibility_batch(self, **kwargs: Any) -> BatchAnswer:
        """Answer that every entry was changed."""
        return answer_all(kwargs["Entries"])


class SQSJsonReader(Reader):
    """
    Read one message, or the records of a Lambda event.

    :param message: a raw message, a record of a Lambda event, the whole event, or the message itself
    """

    def __init__(self, message: Mapping[str, Any]) -> None:
        records = message["Records"] if is_event(message) else [message]
        self.messages: list[RawMessage] = [
            raw_message(dict(record), "message" if len(records) == 1 else f"message:{number}")
            for number, record in enumerate(records, 1)
        ]

    def read(self, limit: int, wait_seconds: float) -> list[RawMessage]:
        """Return the messages, each once."""
        if not self.messages:
            raise EndOfInput("The message was read")
        messages, self.messages = self.messages[:limit], self.messages[limit:]
        return messages


class SQSFileReader(Reader):
    """
    Read messages from a file of JSON lines.

    :param path: the file's path
    :raises ConfigurationError: if it cannot be read
    """

    def __init__(self, path: str) -> None:
        self.path = path
        try:
            # Lines are decoded one by one, so that one that is not UTF-8 concerns itself alone.
            self.file = open(path, "rb")  # noqa: SIM115
        except OSError as error:
            raise ConfigurationError(f"Cannot read messages from {path}: {error.strerror}") from error
        self.lines = self._iter_lines()

    @staticmethod
    def can_read(path: str) -> bool:
        """Return whether there is such a file."""
        return isfile(path)

    def _iter_lines(self) -> Iterator[RawMessage]:
        with self.file:
            for number, line in enumerate(self.file, 1):
                if line.strip():
                    yield parse_line(line, f"{self.path}:{number}")

    def read(self, limit: int, wait_seconds: float) -> list[RawMessage]:
        """Return the next lines."""
        messages = [message for _, message in zip(range(limit), self.lines, strict=False)]
        if not messages:
            raise EndOfInput(f"{self.path} was read to its end")
        return messages


class SQSStdInReader(Reader):
    """
    Read messages from stdin, as JSON lines, each as soon as it comes.

    :raises ConfigurationError: if the program was started without one
    """

    def __init__(self) -> None:
        if sys.stdin is None:
            raise ConfigurationError("Cannot read messages from stdin: it was closed when the program was started")
        self.buffer = b""
        self.number = 0
        self.ended = False

    def read(self, limit: int, wait_seconds: float) -> list[RawMessage]:
        """Return the lines that have come, or none if none comes in time."""
        if not self.ended and b"\n" not in self.buffer:
            self._fill(wait_seconds)
        messages: list[RawMessage] = []
        while len(messages) < limit and (line := self._next_line()) is not None:
            self.number += 1
            if line.strip():
                messages.append(parse_line(line, f"stdin:{self.number}"))
        if not messages and self.ended:
            raise EndOfInput("stdin was read to its end")
        return messages

    def _next_line(self) -> bytes | None:
        line, newline, rest = self.buffer.partition(b"\n")
        if not newline and not (self.ended and line):
            return None
        self.buffer = rest
        return line

    def _fill(self, wait_seconds: float) -> None:
        # A plain readline() could not be interrupted by a signal while no line comes.
        stream = sys.stdin.buffer if hasattr(sys.stdin, "buffer") else sys.stdin
        try:
            descriptor = stream.fileno()
        except (OSError, ValueError):
            # The stream is not a real one: all of it is there.
            data = stream.read()
            self.buffer += data.encode() if isinstance(data, str) else data
            self.ended = True
            return
        if select([descriptor], [], [], wait_seconds)[0]:
            data = read(descriptor, 65536)
            self.buffer += data
            self.ended = not data


def parse_line(line: bytes, name: str) -> RawMessage:
    """Return the raw message that a line holds; one that cannot be decoded if it holds none."""
    try:
        text = line.decode("utf-8-sig").strip()
        message = loads(text)
    except UnicodeDecodeError:
        # The line is shown as it is: replaced bytes are guesses, which must not be handled.
        text, message = ascii(line), None
    except (ValueError, RecursionError):
        message = None
    if not isinstance(message, dict):
        return {"MessageId": name, "ReceiptHandle": name, "Body": text}
    return raw_message(message, name, text)


def raw_message(message: dict[str, Any], name: str, text: str | None = None) -> RawMessage:
    """Return a raw message for a message, which may be one already."""
    if "Body" not in message and "body" not in message:
        message = {**message, "Body": dumps(message) if text is None else text}
    return cast(RawMessage, {"MessageId": name, "ReceiptHandle": name, **message})


class LambdaEventReader(Reader):
    """
    Read the records of a Lambda event, and collect those that are to come again.

    https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html

    :param messages: the raw messages that the event holds
    """

    def __init__(self, messages: list[RawMessage]) -> None:
        self.messages = messages
        self.kept: set[Any] = {message.get("ReceiptHandle") for message in messages}

    def read(self, limit: int, wait_seconds: float) -> list[RawMessage]:
        """Return all messages of the event, which Lambda received together."""
        return self.messages

    def delete_message(self, **kwargs: Any) -> dict[str, Any]:
        """Note that a message is done."""
        self.kept.discard(kwargs["ReceiptHandle"])
        return {}

    def delete_message_batch(self, **kwargs: Any) -> BatchAnswer:
        """Note that messages are done."""
        for entry in kwargs["Entries"]:
            self.kept.discard(entry["ReceiptHandle"])
        return super().delete_message_batch(**kwargs)

    @property
    def failures(self) -> list[str]:
        """Return the ids of the messages that are not done."""
        return [message.get("MessageId", "") for message in self.messages if message.get("ReceiptHandle") in self.kept]
