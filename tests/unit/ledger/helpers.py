"""
What the tests of the ledger share.
"""

from microcosm_pubsub import ConsumerDaemon


class Daemon(ConsumerDaemon):
    name = "worker"


class TooBad(Exception):
    pass


def outcomes(results):
    return [result.result.name for result in results]
