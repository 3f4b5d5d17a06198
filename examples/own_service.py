"""
Run something beside the worker of a daemon: started before its first receive, stopped after its last message.
"""

from pathlib import Path
from sys import argv

from microcosm.api import binding

from microcosm_pubsub import ConsumerDaemon


@binding("price_list")
class PriceList:
    def __init__(self, graph):
        self.prices = {}

    def start(self):
        self.prices = {"tea": 3}
        print("prices are here")

    def stop(self):
        print("prices are gone")

    def problems(self):
        return [] if self.prices else ["there are no prices"]  # makes /api/health answer 503

    def gauges(self):
        return {"prices": len(self.prices)}


class OrdersDaemon(ConsumerDaemon):
    name = "orders"
    services = ["price_list"]
    defaults = {"logging": {"level": "CRITICAL"}}


if __name__ == "__main__":
    argv += ["--sqs-queue-url", str(Path(__file__).with_name("replay_a_file.jsonl"))]
    OrdersDaemon().run()
