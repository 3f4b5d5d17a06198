"""
What the hot calls of a client cost: with boto3, with each lever, and with the transports of the package.

    python -m benchmarks.bench_clients [--quick] [--json] [--png PATH] [--no-tls] [--soak CALLS]

The endpoint answers at once, from a process of its own. Each figure is the CPU time of the calling process for one
call, of all its threads, user and system; rounds of all subjects take turns, and the median round counts. The floor is
a socket that sends the same bytes, prepared once, and reads the answer without looking at it.
"""

from __future__ import annotations

import platform
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from json import dumps
from mmap import PAGESIZE
from os import environ
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import Any
from urllib.parse import urlsplit

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from benchmarks.endpoint import Endpoint, serve
from benchmarks.floors import exchange, open_crt, open_socket
from microcosm_pubsub.clients import make_client
from microcosm_pubsub.fast.transport import TransportParts, make_parts
from tests.engines import ENVIRONMENT


BODY = dumps(
    {
        "mediaType": "application/vnd.globality.pubsub._.created.order",
        "orderId": "0b5c0f2e-7a51-4f0e-9d1c-000000000000",
        "customer": "Customer number 0 of Example Street 42, Springfield",
        "amount": 1999,
        "currency": "EUR",
        "note": "to be left with the neighbours, if nobody answers the door",
    }
)

ATTRIBUTES = {"media_type": {"DataType": "String", "StringValue": "application/vnd.globality.pubsub._.created.order"}}

Call = Callable[[Any, Any, Endpoint], None]


def receive_and_delete(sqs: Any, _: Any, endpoint: Endpoint) -> None:
    received = sqs.receive_message(
        QueueUrl=endpoint.queue_url,
        MaxNumberOfMessages=10,
        WaitTimeSeconds=5,
        MessageSystemAttributeNames=["All"],
        MessageAttributeNames=["All"],
    )
    entries = [
        {"Id": str(index), "ReceiptHandle": message["ReceiptHandle"]}
        for index, message in enumerate(received["Messages"])
    ]
    assert len(sqs.delete_message_batch(QueueUrl=endpoint.queue_url, Entries=entries)["Successful"]) == 10


def change_visibility(sqs: Any, _: Any, endpoint: Endpoint) -> None:
    entries = [{"Id": str(index), "ReceiptHandle": "x" * 180, "VisibilityTimeout": 30} for index in range(10)]
    assert sqs.change_message_visibility_batch(QueueUrl=endpoint.queue_url, Entries=entries)["Successful"]


def send_batch(sqs: Any, _: Any, endpoint: Endpoint) -> None:
    entries = [{"Id": str(index), "MessageBody": BODY, "MessageAttributes": ATTRIBUTES} for index in range(10)]
    assert sqs.send_message_batch(QueueUrl=endpoint.queue_url, Entries=entries)["Successful"]


def publish(_: Any, sns: Any, endpoint: Endpoint) -> None:
    assert sns.publish(TopicArn=endpoint.topic_arn, Message=BODY, MessageAttributes=ATTRIBUTES)["MessageId"]


def publish_batch(_: Any, sns: Any, endpoint: Endpoint) -> None:
    entries = [{"Id": str(index), "Message": BODY, "MessageAttributes": ATTRIBUTES} for index in range(10)]
    assert sns.publish_batch(TopicArn=endpoint.topic_arn, PublishBatchRequestEntries=entries)["Successful"]


CALLS: dict[str, Call] = {
    "receive 10 + delete 10": receive_and_delete,
    "change visibility of 10": change_visibility,
    "send 10": send_batch,
    "publish": publish,
    "publish 10": publish_batch,
}

#: What everything is compared with.
BASE = "boto3"
FLOOR = "bare socket"


@dataclass(frozen=True)
class Subject:
    """A way to make the calls."""

    transport: str | TransportParts = "botocore"
    keeps_user_agent: bool = False
    validates: bool = True


def find_subjects() -> dict[str, Subject]:
    subjects = {
        BASE: Subject(),
        "boto3, user agent kept": Subject(keeps_user_agent=True),
        "boto3, parameters not validated": Subject(validates=False),
        "boto3, both": Subject(keeps_user_agent=True, validates=False),
        "socket (no extras)": Subject(make_parts()),
    }
    if is_installed("orjson"):
        subjects["socket+orjson ([fast])"] = Subject(make_parts(orjson=True))
        if is_installed("awscrt"):
            subjects["crt+orjson"] = Subject(make_parts(crt=True, orjson=True))
    return subjects


def is_installed(name: str) -> bool:
    return bool(find_version(name))


def find_version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def make_clients(subject: Subject, endpoint: Endpoint) -> tuple[Any, Any]:
    clients = tuple(
        make_client(
            service,
            profile_name=None,
            region_name="us-east-1",
            endpoint_url=endpoint.url,
            connect_timeout=5,
            read_timeout=30,
            max_pool_connections=10,
            max_attempts=3,
            transport=subject.transport,
        )
        for service in ("sqs", "sns")
    )
    for client in clients:
        if subject.keeps_user_agent:
            keep_user_agent(client)
        if not subject.validates:
            # as `Config(parameter_validation=False)` does
            client._serializer = client._serializer._serializer
    return clients[0], clients[1]


def keep_user_agent(client: Any) -> None:
    creator = client._user_agent_creator
    kept = creator.to_string()
    creator.to_string = lambda: kept


def record(call: Call, endpoint: Endpoint) -> list[bytes]:
    """Return the requests of a call, as they are sent."""
    requests: list[bytes] = []

    def keep(request: Any, **_: Any) -> None:
        lines = [f"POST / HTTP/1.1\r\nHost: {urlsplit(request.url).netloc}\r\n".encode()]
        for name, value in request.headers.items():
            lines.append(name.encode() + b": " + (value if isinstance(value, bytes) else value.encode()) + b"\r\n")
        body = request.body if isinstance(request.body, bytes) else request.body.encode()
        requests.append(b"".join(lines) + b"\r\n" + body)

    clients = make_clients(Subject(), endpoint)
    for client in clients:
        client.meta.events.register("before-send", keep)
    call(*clients, endpoint)
    return requests


def make_runs(call: Call, subjects: dict[str, Any], endpoint: Endpoint, stack: ExitStack) -> dict[str, Any]:
    """Return what makes one call, for each subject."""
    runs: dict[str, Any] = {
        name: lambda sqs=sqs, sns=sns: call(sqs, sns, endpoint) for name, (sqs, sns) in subjects.items()
    }
    requests, sock = record(call, endpoint), stack.enter_context(open_socket(endpoint))
    runs[FLOOR] = lambda: [exchange(sock, request) for request in requests]
    if is_installed("awscrt"):
        send = stack.enter_context(open_crt(endpoint))
        runs["bare HTTP client of awscrt"] = lambda: [send(request) for request in requests]
    return runs


def measure(runs: dict[str, Any], options: Namespace) -> dict[str, dict[str, float]]:
    """Return CPU microseconds and calls per second of each subject."""
    cpu: dict[str, list[float]] = {name: [] for name in runs}
    wall: dict[str, list[float]] = {name: [] for name in runs}
    for run in runs.values():
        for _ in range(10):
            run()
    for _ in range(options.rounds):
        for name, run in runs.items():
            cpu_start, wall_start = process_time(), perf_counter()
            for _ in range(options.calls):
                run()
            wall[name].append((perf_counter() - wall_start) / options.calls)
            cpu[name].append((process_time() - cpu_start) / options.calls)
    return {
        name: {
            "cpu_us": median(cpu[name]) * 1e6,
            "calls_per_second": 1 / median(wall[name]),
            "ratio": median(cpu[BASE]) / median(cpu[name]),
        }
        for name in runs
    }


def run_all(options: Namespace) -> dict[str, Any]:
    """Return the figures by way of connecting, call and subject."""
    results: dict[str, Any] = {}
    for tls in (False, True) if options.tls else (False,):
        with serve(tls=tls) as endpoint, ExitStack() as stack:
            if endpoint.ca_file:
                environ["AWS_CA_BUNDLE"] = endpoint.ca_file
            subjects = {name: make_clients(subject, endpoint) for name, subject in find_subjects().items()}
            results["TLS" if tls else "HTTP"] = {
                name: measure(make_runs(call, subjects, endpoint, stack), options) for name, call in CALLS.items()
            }
    return results


def describe() -> dict[str, Any]:
    """Return what this runs on."""
    names = ("boto3", "botocore", "urllib3", "awscrt", "orjson")
    return {
        "machine": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        **{name: find_version(name) or "not installed" for name in names},
    }


def make_table(title: str, figures: dict[str, Any]) -> Table:
    table = Table(title=f"{title}: CPU of one call in µs (how many times cheaper than boto3), and calls per second")
    table.add_column("")
    for call in figures:
        table.add_column(call, justify="right")
    for subject in next(iter(figures.values())):
        cells = [
            "{cpu_us:,.0f} ({ratio:.1f}x) {calls_per_second:,.0f}/s".format(**figures[call][subject])
            for call in figures
        ]
        table.add_row(escape(subject), *cells)
    return table


def draw(results: dict[str, Any], path: Path) -> None:
    """Draw how many times cheaper than boto3 each subject is."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, len(results), figsize=(8 * len(results), 6), squeeze=False)
    for axis, (title, figures) in zip(axes[0], results.items(), strict=True):
        subjects = list(next(iter(figures.values())))
        height = 0.8 / len(subjects)
        for place, subject in enumerate(subjects):
            axis.barh(
                [row + place * height for row in range(len(figures))],
                [figures[call][subject]["cpu_us"] for call in figures],
                height,
                label=subject,
            )
        axis.set_yticks([row + 0.4 for row in range(len(figures))], list(figures))
        axis.invert_yaxis()
        axis.set_xlabel("CPU of one call, µs")
        axis.set_title(title)
        axis.legend()
    figure.suptitle(", ".join(f"{name} {value}" for name, value in describe().items()))
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    pyplot.close(figure)


def soak(calls: int, console: Console) -> None:
    """Make many calls, and tell what memory and connections they took."""
    with serve() as endpoint:
        clients = make_clients(Subject("auto"), endpoint)
        each = {"receive 10 + delete 10": 2, "publish": 1, "publish 10": 1}
        made, step = 0, max(calls // 10, 1)
        while made < calls:
            goal = min(made + step, calls)
            while made < goal:
                for name, number in each.items():
                    CALLS[name](*clients, endpoint)
                    made += number
            counts = endpoint.counts()
            console.print(
                # one more connection asks for the counts
                f"{made:,} calls: {read_memory() / 2**20:.1f} MiB, {counts['open_connections'] - 1} open connections"
            )


def read_memory() -> int:
    """Return the resident memory of this process, in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGESIZE


def main() -> None:
    parser = ArgumentParser(description="Measure what the hot calls of a client cost.")
    parser.add_argument("--quick", action="store_true", help="fewer calls, for a look")
    parser.add_argument("--json", action="store_true", help="print JSON in place of tables")
    parser.add_argument("--png", type=Path, help="draw a picture too")
    parser.add_argument("--no-tls", dest="tls", action="store_false", help="leave TLS out")
    parser.add_argument(
        "--soak", type=int, metavar="CALLS", help="make so many calls, and watch memory and connections"
    )
    options = parser.parse_args()
    options.rounds, options.calls = (3, 30) if options.quick else (7, 200)
    environ.update(ENVIRONMENT, AWS_EC2_METADATA_DISABLED="true")
    console = Console(stderr=options.json)
    if options.soak:
        soak(options.soak, console)
        return
    results = run_all(options)
    if options.json:
        sys.stdout.write(dumps({"ran_on": describe(), "results": results}, indent=2) + "\n")
    else:
        for title, figures in results.items():
            console.print(make_table(title, figures))
        console.print(", ".join(f"{name} {value}" for name, value in describe().items()))
    if options.png:
        draw(results, options.png)


if __name__ == "__main__":
    main()
