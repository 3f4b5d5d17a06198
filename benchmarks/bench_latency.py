"""
From publish to handler, across two processes on one broker: how long a message takes while nothing else happens.

    python -m benchmarks.bench_latency [--messages 1500] [--rate 100] [--plot latency.png] [--json]

A daemon runs in one process, and this one publishes at an even rate. Beside it stands the same with notices turned off,
so that the daemon finds messages by looking ten times a second. Then each daemon is left alone for a while, and the
processor time that it takes is read.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from os import cpu_count, environ, sysconf
from pathlib import Path
from platform import machine, python_version
from statistics import quantiles
from subprocess import Popen
from tempfile import TemporaryDirectory
from time import monotonic, sleep, time

from microcosm.api import create_object_graph, load_from_dict
from rich.console import Console
from rich.progress import track
from rich.table import Table

from microcosm_pubsub import created
from tests.engines import start_postgres


#: The daemon of the other process, which writes when each message came to its handler.
PROGRAM = """
import sys
from time import time

from microcosm_pubsub import ConsumerDaemon, created, handles

if sys.argv[1] == "looking":
    from microcosm_pubsub.broker import broker
    from microcosm_pubsub.broker.notify import Notifier

    broker.make_notifier = lambda store: Notifier()

out = open(sys.argv[2], "a", buffering=1)


@handles(created("tick"))
def tick(content) -> None:
    out.write(f"{content['uri']} {time()}\\n")


class LatencyDaemon(ConsumerDaemon):
    name = "latency"
    defaults = {"logging": {"level": "WARNING"}}


sys.argv[1:] = sys.argv[3:]
LatencyDaemon().run()
"""

IDLE_SECONDS = 10


@contextmanager
def run_daemon(mode: str, url: str, folder: Path) -> Iterator[tuple[Popen[bytes], Path]]:
    """Run the daemon, and give its process and the file that it writes."""
    program, out = folder / f"{mode}.py", folder / f"{mode}.out"
    program.write_text(PROGRAM)
    command = [sys.executable, str(program), mode, str(out), "--broker-url", url]
    process = Popen(command, env={**environ, "PYTHONPATH": str(Path(__file__).parents[1])})
    try:
        yield process, out
    finally:
        process.terminate()
        process.wait(30)


def measure(mode: str, url: str, folder: Path, messages: int, rate: float, console: Console) -> dict[str, float]:
    """Return the milliseconds that messages took, by percentile, and what an idle daemon costs."""
    graph = create_object_graph(f"bench-{mode}", loader=load_from_dict(pubsub_broker={"url": url}))
    graph.use("opaque", "sns_producer")
    graph.lock()
    with run_daemon(mode, url, folder) as (process, out):
        wait_for(out, lambda: graph.sns_producer.produce(created("tick"), uri="first"))
        sent: dict[str, float] = {}
        start = monotonic()
        for number in track(range(messages), description=f"{mode} on {url.partition(':')[0]}", console=console):
            sleep(max(0.0, start + number / rate - monotonic()))
            sent[str(number)] = time()
            graph.sns_producer.produce(created("tick"), uri=str(number))
        while len(seen := read(out)) < messages:
            sleep(0.1)
        before = cpu_of(process.pid)
        sleep(IDLE_SECONDS)
        idle = (cpu_of(process.pid) - before) / IDLE_SECONDS
    graph.pubsub_broker.close()
    taken = sorted((seen[name] - at) * 1000 for name, at in sent.items())
    cuts = quantiles(taken, n=100)
    return {"p50": cuts[49], "p90": cuts[89], "p99": cuts[98], "max": taken[-1], "idle": idle, "taken": taken}


def wait_for(out: Path, send: object) -> None:
    """Send until the daemon has subscribed, and handled one."""
    while not (out.exists() and out.read_text()):
        send()
        sleep(0.2)
    sleep(0.5)


def read(out: Path) -> dict[str, float]:
    """Return when each message was handled."""
    lines = (line.split() for line in out.read_text().splitlines())
    return {name: float(at) for name, at in lines if name != "first"}


def cpu_of(pid: int) -> float:
    """Return the processor time of a process, in seconds: https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html"""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / sysconf("SC_CLK_TCK")


def draw(results: dict[str, dict], path: str) -> None:
    """Draw the share of messages that took at most so long."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(8, 4.5))
    for name, result in results.items():
        taken = result["taken"]
        axes.plot(taken, [(index + 1) / len(taken) for index in range(len(taken))], label=name)
    axes.set(xscale="log", xlabel="milliseconds from publish to handler", ylabel="share of messages")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.tight_layout()
    figure.savefig(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=1500)
    parser.add_argument("--rate", type=float, default=100.0, help="messages a second")
    parser.add_argument("--plot", metavar="FILE", help="draw the distributions")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    console = Console(stderr=True)
    results = {}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        urls = {"SQLite file": f"sqlite:///{folder}/broker.db", "PostgreSQL": start_postgres(stack)}
        for engine, url in urls.items():
            for mode in ("noticed", "looking"):
                results[f"{engine}, {mode}"] = measure(mode, url, folder, args.messages, args.rate, console)
    if args.plot:
        draw(results, args.plot)
    if args.json:
        print(json.dumps({name: {**result, "taken": None} for name, result in results.items()}))
        return
    table = Table(title=f"{args.messages} messages, {args.rate:g} a second: ms from publish to handler")
    for column in ("", "p50", "p90", "p99", "max", "idle daemon, of a core"):
        table.add_column(column, justify="left" if not column else "right")
    for name, result in results.items():
        cells = [f"{result[key]:.1f}" for key in ("p50", "p90", "p99", "max")]
        table.add_row(name, *cells, f"{result['idle']:.2%}")
    Console().print(table)
    print(f"Python {python_version()}, {machine()}, {cpu_count()} cores")


if __name__ == "__main__":
    main()
