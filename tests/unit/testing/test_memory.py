"""
SNS and SQS in memory.
"""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from microcosm_pubsub.testing.memory import MemoryEngine


def test_threads_that_come_at_once_find_one_broker():
    for _ in range(20):
        engine = MemoryEngine()
        barrier = Barrier(4)

        def look(engine=engine, barrier=barrier):
            barrier.wait()
            return engine.clients

        with ThreadPoolExecutor(4) as pool:
            assert len({id(future.result()) for future in [pool.submit(look) for _ in range(4)]}) == 1
