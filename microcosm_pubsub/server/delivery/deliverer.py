"""
Take what is due, deliver it, and say what came of it.

A thread looks for what is due: when something was published, when a retry's time has come, and several times a second
for what other processes publish. Threads of a small pool deliver it, for a web server may take its time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from logging import getLogger
from threading import Event, Lock, Thread

from microcosm_pubsub.broker.broker import Broker
from microcosm_pubsub.broker.sns.deliveries import DueDelivery, next_due_at, take_deliveries
from microcosm_pubsub.broker.sns.endpoints import LOGGED, WEB
from microcosm_pubsub.broker.sns.retrying import was_not_sent, was_sent
from microcosm_pubsub.broker.store import StoreError
from microcosm_pubsub.server.delivery.bodies import write_body, write_headers
from microcosm_pubsub.server.delivery.sending import Failure, post
from microcosm_pubsub.server.delivery.signing import Signer


logger = getLogger(__name__)

#: At most this many web servers are called at a time.
THREADS = 16

#: Messages that other processes publish are noticed within this time, in seconds.
POLL_SECONDS = 0.2

Post = Callable[[str, bytes, Mapping[str, str]], Failure | None]


class Deliverer:
    """
    Deliver to endpoints that are no queues.

    :param broker: holds the deliveries
    :param url: of the server
    :param signer: signs what goes to web servers; None if nothing does
    :param send: posts to a web server
    """

    def __init__(self, broker: Broker, url: str, signer: Signer | None, send: Post = post) -> None:
        self.broker = broker
        self.url = url
        self.signer = signer
        self.send = send
        self.protocols = LOGGED if signer is None else (*LOGGED, *WEB)
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="pubsub-deliverer")
        self._lock = Lock()
        self._busy = 0
        self._due = Event()
        self._stopped = False
        self._thread = Thread(target=self._run, name="pubsub-deliverer", daemon=True)

    def start(self) -> None:
        """Let the broker take subscriptions of these endpoints, and begin."""
        self.broker.protocols.update(self.protocols)
        self.broker.on_delivery = self._due.set
        self._thread.start()

    def stop(self) -> None:
        """End, after the deliveries under way; the rest waits for the next server."""
        self._stopped = True
        self._due.set()
        self._thread.join()
        self._pool.shutdown(wait=True)
        self.broker.protocols.difference_update(self.protocols)

    def _run(self) -> None:
        while not self._stopped:
            self._due.clear()
            try:
                self._take()
            except StoreError as error:
                logger.warning("Cannot look for what is to be delivered, and will look again: %s", error)
            self._due.wait(POLL_SECONDS)

    def _take(self) -> None:
        free = THREADS - self._busy
        due_at = next_due_at(self.broker, self.protocols) if free else None
        if due_at is None or due_at > self.broker.now():
            return
        for outgoing in take_deliveries(self.broker, self.protocols, free):
            with self._lock:
                self._busy += 1
            self._pool.submit(self._deliver, outgoing).add_done_callback(self._done)

    def _done(self, future: Future[None]) -> None:
        with self._lock:
            self._busy -= 1
        if (error := future.exception()) is not None:
            # The delivery is due again after a while, as if this server had died.
            logger.error("A delivery failed unexpectedly, and will be tried again", exc_info=error)
        self._due.set()

    def _deliver(self, outgoing: DueDelivery) -> None:
        failure = self._try(outgoing)
        if failure is None:
            was_sent(self.broker, outgoing)
        else:
            was_not_sent(self.broker, outgoing, failure.reason, failure.is_final)

    def _try(self, outgoing: DueDelivery) -> Failure | None:
        if outgoing.protocol not in WEB:
            said = (outgoing.notification.subject, outgoing.notification.message)
            # The text is quoted, so that no message looks like another line of the log.
            text = ": ".join(repr(part) for part in said if part)
            logger.info("%s to %s: %s", outgoing.protocol, outgoing.endpoint, text)
            return None
        assert self.signer is not None
        body = write_body(outgoing, self.url, self.signer)
        return self.send(outgoing.endpoint, body, write_headers(outgoing))
