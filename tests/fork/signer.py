"""
A program that forks while its threads sign requests by awscrt, and signs in each child.

It exits 0 if all of its children do.
"""

import os
import sys
import warnings
from threading import Event, Thread

from botocore.credentials import Credentials

from microcosm_pubsub.fast.transport.crt import CrtSigner
from microcosm_pubsub.fast.transport.signature import SignedPart


CHILDREN, THREADS = 20, 4


def main():
    # Newer Pythons say that what this does may hang.
    warnings.simplefilter("ignore", DeprecationWarning)
    part = SignedPart("http://127.0.0.1/", (("content-type", "application/json"),), "sqs", "us-east-1")
    signer = CrtSigner(part, Credentials("x", "y"))
    stop = Event()

    def sign():
        signer.authorize("20260101T000000Z", "0" * 64)

    def keep_signing():
        while not stop.is_set():
            sign()

    threads = [Thread(target=keep_signing) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    codes = []
    for _ in range(CHILDREN):
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                sign()
                code = 0
            finally:
                os._exit(code)
        codes.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    stop.set()
    for thread in threads:
        thread.join()
    return max(codes)


if __name__ == "__main__":
    sys.exit(main())
