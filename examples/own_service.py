"""
Run something beside the worker of a daemon: started before its first receive, stopped after its last message.
"""

from pathlib import Path
from sys import argv
from typing import Any

from microcosm.api import binding

from microcosm_pubsub import ConsumerDaemon


@binding("price_list")
class PriceList:
    def __init__(self, graph: Any) -> None:
        self.prices: dict[str, int] = {}

    def start(self) -> None:
        self.prices = {"tea": 3}
        print("prices are here")

    def stop(self) -> None:
        print("prices are gone")

    def problems(self) -> list[str]:
        return [] if self.prices else ["there are no prices"]  # makes /api/health answer 503

    def gauges(self) -> dict[str, float]:
        return {"prices": len(self.prices)}


class OrdersDaemon(ConsumerDaemon):
    name = "orders"
    services = ["price_list"]
    defaults = {"logging": {"level": "CRITICAL"}}


if __name__ == "__main__":
    argv += ["--sqs-queue-url", str(Path(__file__).with_name("replay_a_file.jsonl"))]
    OrdersDaemon().run()
