"""
Services that answer calls, each in a process of its own: ours, and one written by hand with boto3; and who runs tasks.

    python -m benchmarks.call_programs service BROKER_URL
    python -m benchmarks.call_programs served QUEUE_URL ENDPOINT_URL
    python -m benchmarks.call_programs by-hand QUEUE_URL ENDPOINT_URL
    DONE=done.txt python -m benchmarks.call_programs tasks QUEUE_URL ENDPOINT_URL
    python -m benchmarks.call_programs proxy PORT LATENCY_SECONDS
"""

from __future__ import annotations

import sys
from asyncio import StreamReader, StreamWriter, create_task, run, sleep, start_server
from asyncio import open_connection as connect
from json import dumps, loads
from os import _exit, environ
from signal import SIGTERM, signal
from threading import Thread
from typing import Any

from microcosm_pubsub import ConsumerDaemon, Service, task
from microcosm_pubsub.clients import make_client


IN_FLIGHT = 50

#: How many tasks run at a time.
TASK_WORKERS = 10


class Echo(Service):
    """What is called."""

    name = "echo"

    def on_words(self, message: Any, words: list[str]) -> list[str]:
        """Return them."""
        return words


class EchoDaemon(ConsumerDaemon):
    """Runs it."""

    name = "echo"
    workers = IN_FLIGHT
    defaults = {"logging": {"level": "WARNING"}}


@task
def note(number: int, text: str) -> None:
    """Note that one is done."""
    with open(environ["DONE"], "ab", buffering=0) as done:
        done.write(b".")


class TaskDaemon(ConsumerDaemon):
    """Runs tasks."""

    name = "tasks"
    workers = TASK_WORKERS
    defaults = {"logging": {"level": "WARNING"}}


def run_service(*flags: str) -> None:
    """Run ours."""
    sys.argv = ["echo", *flags]
    EchoDaemon().run()


def make_boto_client(service: str, endpoint_url: str) -> Any:
    """Return a client of boto3 alone."""
    return make_client(
        service,
        region_name="us-east-1",
        endpoint_url=endpoint_url,
        transport="botocore",
        profile_name=None,
        connect_timeout=10.0,
        read_timeout=60.0,
        max_pool_connections=2 * IN_FLIGHT,
        max_attempts=3,
    )


def serve_by_hand(queue_url: str, endpoint_url: str) -> None:
    """Answer as one would write it by hand: threads that receive, answer, and delete in batches."""
    client = make_boto_client("sqs", endpoint_url)
    urls: dict[str, str] = {}

    def answer() -> None:
        while True:
            messages = client.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10, WaitTimeSeconds=20).get(
                "Messages", []
            )
            for message in messages:
                request = loads(message["Body"])
                name = request["replyTo"]
                if name not in urls:
                    urls[name] = client.get_queue_url(QueueName=name)["QueueUrl"]
                text = dumps({"jsonrpc": "2.0", "id": request["id"], "result": request["params"]["words"]})
                client.send_message(QueueUrl=urls[name], MessageBody=text)
            if messages:
                entries = [
                    {"Id": str(index), "ReceiptHandle": message["ReceiptHandle"]}
                    for index, message in enumerate(messages)
                ]
                client.delete_message_batch(QueueUrl=queue_url, Entries=entries)

    for _ in range(IN_FLIGHT):
        Thread(target=answer, daemon=True).start()
    signal(SIGTERM, lambda *_: _exit(0))
    Thread(target=answer).start()


async def proxy(port: int, latency_seconds: float) -> None:
    """Let an endpoint answer later, and print how many requests there were for each line of standard input."""
    requests = 0

    async def carry(reader: StreamReader, writer: StreamWriter, wait: float) -> None:
        nonlocal requests
        while data := await reader.read(65536):
            if wait:
                await sleep(wait)
            else:
                requests += data.startswith(b"POST ")
            writer.write(data)
        writer.close()

    async def serve(reader: StreamReader, writer: StreamWriter) -> None:
        up_reader, up_writer = await connect("127.0.0.1", port)
        tasks = [create_task(carry(reader, up_writer, 0)), create_task(carry(up_reader, writer, latency_seconds))]
        for each in tasks:
            await each

    def count() -> None:
        for _ in sys.stdin:
            print(requests, flush=True)

    server = await start_server(serve, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    Thread(target=count, daemon=True).start()
    await server.serve_forever()


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["service", url]:
            run_service("--broker-url", url)
        case ["served", queue_url, endpoint_url]:
            run_service("--sqs-queue-url", queue_url)
        case ["tasks", queue_url, endpoint_url]:
            sys.argv = ["tasks", "--sqs-queue-url", queue_url]
            TaskDaemon().run()
        case ["by-hand", queue_url, endpoint_url]:
            serve_by_hand(queue_url, endpoint_url)
        case ["proxy", port, latency]:
            run(proxy(int(port), float(latency)))
