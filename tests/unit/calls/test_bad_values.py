"""What JSON cannot say, or is not what it should be, is told to whoever gave it, or waits for it."""

from dataclasses import dataclass
from math import nan

import pytest

from microcosm_pubsub import ConsumerDaemon, InvalidParams, RemoteError, RpcError, Service, SQSMessage, task
from microcosm_pubsub.errors import ConfigurationError
from microcosm_pubsub.harness import harness


@dataclass
class Box:
    width: int


def declare_service():
    class Odd(Service):
        name = "odd"

        def on_text(self, message: SQSMessage) -> None:
            raise RpcError(409, ValueError("not so many"), {"left": object()})

        def on_code(self, message: SQSMessage) -> None:
            raise RpcError("busy", "no number")

        def on_number(self, message: SQSMessage) -> float:
            return nan

        def on_numbers(self, message: SQSMessage):
            return [1, nan]

    class OddDaemon(ConsumerDaemon):
        name = "odd"
        components = ["pubsub_rpc"]

    return OddDaemon


@pytest.mark.parametrize(
    ("method", "said"),
    [
        ("text", "not so many"),
        ("code", "whole number, and not 'busy'"),
        ("number", "cannot be written as JSON"),
        ("numbers", "cannot be written as JSON"),
    ],
)
def test_what_a_method_gives_that_cannot_be_said_is_told_to_its_caller(method, said):
    with harness(declare_service()) as app:
        rpc = app.graph.pubsub_rpc
        future = rpc.call_soon(f"odd.{method}", timeout_seconds=5)
        app.run()
        with pytest.raises(RemoteError, match=said):
            future.result(10)
        rpc.close()


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("note", object(), "text is an object, and no text, as its annotation says"),
        ("note", 5, "text is an int, and no text, as its annotation says"),
        ("weigh", nan, "grams"),
        (
            "pack",
            3,
            "box is an int, which cannot be written as JSON .*: an int is no Box: .*: its annotation says .*Box; give",
        ),
        (
            "keep",
            object(),
            "anything is an object, .*: annotate the parameter with its type, or give",
        ),
    ],
)
def test_an_argument_that_cannot_be_said_is_told_to_its_sender(name, value, said):
    @task
    def note(text: str) -> None: ...

    @task
    def weigh(grams: float) -> None: ...

    @task
    def pack(box: Box) -> None: ...

    @task
    def keep(anything) -> None: ...

    class OddDaemon(ConsumerDaemon):
        name = "odd"

    functions = {"note": note, "weigh": weigh, "pack": pack, "keep": keep}
    with harness(OddDaemon), pytest.raises(InvalidParams, match=said):
        functions[name].send(value)


@pytest.mark.parametrize("prefix", ["a b", "", "a" * 31, "queue.fifo"])
def test_a_prefix_that_begins_no_queue(prefix):
    config = {"pubsub_replies": {"prefix": prefix}}
    with pytest.raises(ConfigurationError, match=r"pubsub_replies\.prefix"), harness(declare_service(), config=config):
        pass
