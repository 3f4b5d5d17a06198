"""
A program that publishes, forks while other threads of it publish too, and publishes in each child.

    publisher.py NAME CHILDREN MESSAGES [CONFIG]

It exits 0 if all of its children do.
"""

import os
import sys
from json import loads
from threading import Event, Thread

from microcosm.api import create_object_graph, load_from_dict

from microcosm_pubsub.conventions import created


SECONDS = 60


def publish(producer, name, count):
    for number in range(count):
        producer.produce(created("forked"), uri=f"https://x/{name}/{number}")


def keep_publishing(producer, stop, began):
    number = 0
    while not stop.is_set():
        producer.produce(created("forked"), uri=f"https://x/background/{number}")
        began.set()
        number += 1


def main(children, messages, config):
    graph = create_object_graph("publisher", loader=load_from_dict(config))
    graph.use("opaque", "sns_producer")
    graph.lock()
    producer = graph.sns_producer
    publish(producer, "parent", 3)
    stop, began = Event(), Event()
    background = Thread(target=keep_publishing, args=(producer, stop, began), daemon=True)
    background.start()
    assert began.wait(SECONDS)
    pids = []
    for child in range(children):
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                publish(producer, f"child-{child}", messages)
                code = 0
            finally:
                os._exit(code)
        pids.append(pid)
    codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]
    stop.set()
    background.join()
    publish(producer, "after", 3)
    return max(codes)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2]), loads(sys.argv[3])))
