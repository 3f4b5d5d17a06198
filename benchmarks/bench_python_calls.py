"""
How many calls of Python functions one message takes in a worker, and between how many modules they go.

    python -m benchmarks.bench_python_calls [--messages N] [--show] [--json]

Counted are calls of functions written in Python, in all threads, from the first answer that is read until the last
message is settled, with the broker's client left out: those of a lone message, and for each of several when many come
in receives of ten. Calls say less than time does, and the same on every machine, however busy it is.
"""

from __future__ import annotations

import sys
import threading
from argparse import ArgumentParser
from collections import Counter
from json import dumps
from logging import getLogger
from types import CodeType, FrameType
from typing import Any

from benchmarks.consumers import BenchDaemon
from benchmarks.endpoint import make_message
from microcosm_pubsub.worker.settings import WorkerSettings
from microcosm_pubsub.worker.worker import Worker


#: What counting begins with, and what it ends with when everything was deleted.
FIRST = "read_messages"
LAST = "read_refusals"

#: Whose calls are not ours to make fewer: the client's.
OTHERS = ("/microcosm_pubsub/testing/", "/unittest/", "/benchmarks/")


class Calls:
    """Count calls between the first answer and the last settling."""

    def __init__(self, messages: int) -> None:
        self.messages = messages
        self.deleted = 0
        self.is_counting = False
        self.by_function: Counter[CodeType] = Counter()
        self.between_modules = 0
        self._lock = threading.Lock()

    def __call__(self, frame: FrameType, event: str, arg: Any) -> None:
        """Count one call."""
        code = frame.f_code
        if event == "return" and code.co_name == LAST and self.deleted == self.messages:
            self.is_counting = False
        if event != "call":
            return
        if code.co_name == FIRST and not self.deleted:
            self.is_counting = True
        if not self.is_counting or any(other in code.co_filename for other in OTHERS):
            return
        with self._lock:
            self.by_function[code] += 1
            caller = frame.f_back.f_code if frame.f_back is not None else code
            self.between_modules += caller.co_filename != code.co_filename


class Client:
    """Give messages, and take deletes."""

    def __init__(self, count: int, calls: Calls) -> None:
        self.raws = [make_message(number) for number in range(count)]
        self.calls = calls

    def receive_message(self, MaxNumberOfMessages: int, **kwargs: Any) -> dict[str, Any]:  # noqa: N803
        """Return as many as are asked for, while there are any."""
        given, self.raws = self.raws[:MaxNumberOfMessages], self.raws[MaxNumberOfMessages:]
        return {"Messages": given}

    def delete_message_batch(self, Entries: list[Any], **kwargs: Any) -> dict[str, Any]:  # noqa: N803
        """Take all."""
        self.calls.deleted += len(Entries)
        return {"Successful": Entries}


def count_calls(messages: int) -> Calls:
    """Return what the calls of a worker with so many messages came to."""
    sys.argv = ["bench"]
    daemon = BenchDaemon.create_for_testing()
    for handler in getLogger().handlers:
        handler.setStream(open("/dev/null", "w"))  # type: ignore[attr-defined]  # noqa: SIM115
    graph = daemon.graph
    run(graph, daemon.bound_handlers, Calls(100), 100)
    calls = Calls(messages)
    threading.setprofile(calls)
    try:
        run(graph, daemon.bound_handlers, calls, messages)
    finally:
        threading.setprofile(None)  # type: ignore[arg-type]
    return calls


def run(graph: Any, handlers: Any, calls: Calls, messages: int) -> None:
    """Let a worker handle so many messages."""
    consumer = graph.sqs_consumer
    consumer.sqs_client = Client(messages, calls)
    worker = Worker(consumer, graph.sqs_message_dispatcher, WorkerSettings(max_messages=messages))
    ending = worker.run(handlers)
    assert ending.recycled, ending
    assert calls.deleted == messages


def main() -> None:
    """Count, and print."""
    parser = ArgumentParser(description="Count the calls of functions that one message takes")
    parser.add_argument("--messages", type=int, default=1000)
    parser.add_argument("--show", action="store_true", help="print which functions a lone message calls")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    lone, many = count_calls(1), count_calls(args.messages)
    figures = {
        "lone message": {"calls": lone.by_function.total(), "between modules": lone.between_modules},
        "one of many": {
            "calls": many.by_function.total() / args.messages,
            "between modules": many.between_modules / args.messages,
        },
    }
    if args.json:
        print(dumps(figures))
        return
    for name, values in figures.items():
        print(f"{name}: {values['calls']:.1f} calls, {values['between modules']:.1f} of them into another module")
    if args.show:
        for code, count in lone.by_function.most_common():
            print(
                f"{count:4} {code.co_filename.rpartition('microcosm_pubsub/')[2]}:{code.co_firstlineno} {code.co_name}"
            )


if __name__ == "__main__":
    main()
