"""
The relay: brings rows of the outbox to their topics.

No transaction is open while a topic is called. A relay that dies between a call and the deletion of its rows leaves
them to the next one, which publishes them again, with the same `x-message-id` and the same deduplication id.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from logging import getLogger
from time import monotonic

from microcosm_pubsub.constants import MAX_BATCH_ENTRIES
from microcosm_pubsub.producer import ProduceResult, PubsubMessage
from microcosm_pubsub.result import describe
from microcosm_pubsub.sql.background import RepeatingThread
from microcosm_pubsub.sql.outbox.rows import Row
from microcosm_pubsub.sql.outbox.store import OutboxStore


logger = getLogger(__name__)

#: More rows than this do not wait in memory: they are found in the database when their time has come.
MAX_WAITING = 1000

#: The rows are counted for metrics at this interval, in seconds.
COUNT_SECONDS = 10.0

#: Publishes messages, and returns what came of each.
Publish = Callable[[Sequence[PubsubMessage]], list[ProduceResult]]


class Relay:
    """
    Publish rows.

    :param store: has them
    :param publish: publishes messages: a producer's `produce_batch`
    :param batch_size: the most that are taken at once
    :param poll_seconds: how often to look for rows of others
    :param clock: a monotonic clock, in seconds
    """

    def __init__(
        self,
        store: OutboxStore,
        publish: Publish,
        batch_size: int = 100,
        poll_seconds: float = 1.0,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self.store = store
        self.publish = publish
        self.batch_size = batch_size
        self.poll_seconds = poll_seconds
        self.clock = clock
        self.work = RepeatingThread("outbox-relay", self.step)
        self.gauges: dict[str, float] = {}
        #: The number of messages that it has published.
        self.published = 0
        self._fresh: deque[tuple[float, Row]] = deque()
        self._poll_at = self._count_at = clock()

    # Rows that were committed just now.

    def publish_soon(self, rows: Sequence[Row]) -> None:
        """
        Publish rows that this process has committed just now: by its relay's thread, or here if that does not run.

        A row that cannot be published is left to a later look; nothing is raised, for all is committed.
        """
        if self.work.is_running:
            if len(self._fresh) + len(rows) <= MAX_WAITING:
                self._fresh.extend((self.clock(), row) for row in rows)
            self.work.wake()
            return
        # It only saves time: the rows are there, and whatever goes wrong here is tried again by a relay.
        try:
            self._publish_fresh([(self.clock(), row) for row in rows])
        except Exception as error:
            logger.warning("%d messages are left to the outbox's relay: %s", len(rows), describe(error))

    def _publish_fresh(self, rows: Iterable[tuple[float, Row]]) -> None:
        rows = list(rows)
        # Past this time other relays may have taken the rows.
        limit = self.clock() - self.store.claim_seconds / 2
        self._publish_unordered([row for since, row in rows if not row.is_ordered and since > limit])
        if any(row.is_ordered for _, row in rows):
            while self._relay_ordered():
                pass

    # Rows that are there.

    def step(self) -> float:
        """Publish some rows, and return after how many seconds to look again."""
        self._publish_fresh(self._drain(self.batch_size))
        found = 0
        if self.clock() >= self._poll_at:
            found = self.relay_some()
            if not found:
                self._poll_at = self.clock() + self.poll_seconds
        if self.clock() >= self._count_at:
            self._count_at = self.clock() + COUNT_SECONDS
            self.gauges = self.store.count()
        return 0.0 if self._fresh or found else max(0.0, self._poll_at - self.clock())

    def relay_some(self) -> int:
        """Publish some rows whose time has come, and return how many were taken."""
        if not self.store.has_free():
            # Nearly always there is nothing, and finding that costs one query.
            return 0
        deadline = self._make_deadline()
        rows = self.store.take_free(self.batch_size)
        self._publish_unordered(rows, deadline)
        return len(rows) + self._relay_ordered()

    def stop(self) -> None:
        """End, after rows that were committed here are published, if that is soon."""
        self.work.stop()
        deadline = self._make_deadline()
        # The reason is that of `publish_soon`.
        try:
            while self._fresh and self.clock() < deadline:
                self._publish_fresh(self._drain(self.batch_size))
        except Exception as error:
            logger.warning("%d messages are left to the outbox's relay: %s", len(self._fresh), describe(error))

    def _relay_ordered(self) -> int:
        deadline = self._make_deadline()
        rows = self.store.take_ordered(self.batch_size)
        published: list[int] = []
        failed: list[tuple[Row, str]] = []
        freed: list[int] = []
        groups: dict[object, deque[Row]] = {}
        for row in rows:
            groups.setdefault(row.group, deque()).append(row)
        while groups and self.clock() < deadline:
            # One message of each group goes at a time: a batch may succeed in part.
            turn = [group[0] for group in islice(groups.values(), MAX_BATCH_ENTRIES)]
            for row, error in self._try(turn):
                group = groups[row.group]
                group.popleft()
                if error is None:
                    published.append(row.id)
                else:
                    failed.append((row, error))
                    freed.extend(each.id for each in group)
                    group.clear()
                if not group:
                    del groups[row.group]
        if rows:
            freed.extend(row.id for group in groups.values() for row in group)
            self.store.finish(published, failed, freed)
        return len(published)

    def _publish_unordered(self, rows: Sequence[Row], deadline: float | None = None) -> None:
        deadline = self._make_deadline() if deadline is None else deadline
        published: list[int] = []
        failed: list[tuple[Row, str]] = []
        for chunk in iter_chunks(sorted(rows, key=lambda row: row.message.topic_arn)):
            if self.clock() >= deadline:
                # The rows become free soon, for any relay.
                break
            for row, error in self._try(chunk):
                if error is None:
                    published.append(row.id)
                else:
                    failed.append((row, error))
        if published or failed:
            self.store.finish(published, failed)

    def _try(self, rows: Sequence[Row]) -> list[tuple[Row, str | None]]:
        """Publish rows, and return each with why it was not."""
        results = self.publish([row.message for row in rows])
        outcomes = []
        for row, result in zip(rows, results, strict=True):
            error = None if result.error is None else str(result.error)
            self.published += error is None
            if error is not None:
                logger.warning("The outbox's message %s waits: %s", row.id, error)
            outcomes.append((row, error))
        return outcomes

    def _make_deadline(self) -> float:
        """Return until when rows that are taken now are published: well before they are free for others."""
        return self.clock() + self.store.claim_seconds / 2

    def _drain(self, limit: int) -> list[tuple[float, Row]]:
        drained: list[tuple[float, Row]] = []
        while self._fresh and len(drained) < limit:
            drained.append(self._fresh.popleft())
        return drained


def iter_chunks(rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    """Iterate over as many rows as go into one call."""
    return (rows[start : start + MAX_BATCH_ENTRIES] for start in range(0, len(rows), MAX_BATCH_ENTRIES))
