"""
Ends a forked child whose parent's thread was at the reply queue when it was forked, and prints its exit code.

    python caller.py BROKER_URL
"""

import os
import sys
from threading import Event, Thread

from microcosm.api import create_object_graph, load_from_dict


graph = create_object_graph("caller", loader=load_from_dict(pubsub_broker={"url": sys.argv[1]}))
graph.use("pubsub_rpc")
graph.lock()
rpc = graph.pubsub_rpc
_, name, _ = rpc.replies.expect("nobody.home", 60.0)
held, forked = Event(), Event()


def hold():
    with rpc.replies._changed:
        held.set()
        forked.wait()


Thread(target=hold, daemon=True).start()
held.wait()
child = os.fork()
if child == 0:
    rpc.close()
    os._exit(0)
_, status = os.waitpid(child, 0)
forked.set()
assert [queue.name for queue in rpc.queues.find()] == [name]
print(os.waitstatus_to_exitcode(status))
