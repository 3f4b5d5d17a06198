"""
The work of a daemon with a database beside its worker: a service.

It refuses to start with tables of another version, removes what is too old to be of use, and publishes what waits.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from microcosm_pubsub.sql.background import RepeatingThread
from microcosm_pubsub.sql.database import Database
from microcosm_pubsub.sql.inbox import STEP, Inbox
from microcosm_pubsub.sql.outbox.relay import Relay


#: Old rows are looked for at this interval, in seconds.
REMOVAL_SECONDS = 600.0

#: The pause between two steps of a removal, in which others have the tables.
STEP_SECONDS = 0.05


class Housekeeping:
    """
    Look after our tables while a daemon runs.

    :param database: in which they are
    :param works: threads that do something again and again
    :param relay: publishes the rows of the outbox, if this daemon does
    """

    def __init__(self, database: Database, works: Sequence[RepeatingThread], relay: Relay | None = None) -> None:
        self.database = database
        self.relay = relay
        self.works = [*works, *([relay.work] if relay is not None else [])]

    def start(self) -> None:
        """
        Begin.

        :raises PubSubError: if the database cannot be used, or our tables have another version
        """
        self.database.check()
        for work in self.works:
            work.start()

    def stop(self) -> None:
        """End, after the steps that are under way."""
        for work in self.works:
            work.stop()
        if self.relay is not None:
            self.relay.stop()

    def problems(self) -> Iterable[str]:
        """Return the errors of the last steps."""
        return [work.problem for work in self.works if work.problem is not None]

    def gauges(self) -> Mapping[str, float]:
        """Return the number of messages in the outbox."""
        return self.relay.gauges if self.relay is not None else {}


def remove_old(inbox: Inbox) -> RepeatingThread:
    """Return the thread that removes old rows of an inbox."""

    def step() -> float:
        return STEP_SECONDS if inbox.remove_old() == STEP else REMOVAL_SECONDS

    return RepeatingThread("inbox-removal", step)
