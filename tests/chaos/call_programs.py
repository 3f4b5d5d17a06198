"""
A service, and a caller that prints a line for each of its calls, in processes that are killed.

    python -m tests.chaos.call_programs service BROKER_URL
    python -m tests.chaos.call_programs caller BROKER_URL NAME SECONDS
"""

import sys
from threading import Lock, Thread
from time import monotonic

from microcosm.api import create_object_graph, load_from_dict

from microcosm_pubsub import ConsumerDaemon, RpcError, RpcTimeout, Service


THREADS = 8


class Echo(Service):
    name = "echo"

    def on_say(self, message, words):
        if words.endswith("5"):
            raise RpcError(5, words)
        return words


class EchoDaemon(ConsumerDaemon):
    name = "echo"
    workers = THREADS
    defaults = {"logging": {"level": "ERROR"}}


def call(url: str, name: str, seconds: float) -> None:
    """Call until killed, each call with words of its own, and print what came of it and how long it took."""
    graph = create_object_graph("caller", loader=load_from_dict(pubsub_broker={"url": url}, logging={"level": "ERROR"}))
    graph.use("opaque", "pubsub_rpc")
    graph.lock()
    printing = Lock()

    def go_on(thread: int) -> None:
        number = 0
        while True:
            number += 1
            words = f"{name}-{thread}-{number}"
            start = monotonic()
            try:
                found = graph.pubsub_rpc.call("echo.say", words=words, timeout_seconds=seconds)
            except RpcTimeout:
                found = "timeout"
            except RpcError as error:
                found = error.message if error.code == 5 else repr(error)
            outcome = "right" if found == words else "timeout" if found == "timeout" else f"wrong:{found}"
            with printing:
                print(f"{outcome} {monotonic() - start:.3f}", flush=True)

    for thread in range(THREADS):
        Thread(target=go_on, args=(thread,)).start()


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["service", url]:
            sys.argv[1:] = ["--broker-url", url]
            EchoDaemon().run()
        case ["caller", url, name, seconds]:
            call(url, name, float(seconds))
