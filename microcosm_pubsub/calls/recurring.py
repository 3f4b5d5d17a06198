"""
The times at which a task is sent again and again.

    @task(every=timedelta(minutes=5))
    @task(cron="0 3 * * *", timezone="Europe/Berlin")
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from microcosm_pubsub.errors import ConfigurationError


#: No task is sent more often.
MIN_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Recurrence:
    """
    The times at which a task is sent.

    :param every: the time between two of them, counted from the epoch: five minutes are :00, :05, ...
    :param cron: or when a cron expression says, of five fields
    :param timezone: the time zone of that, by its IANA name
    :param catch_up: whether a time at which no daemon ran is made up for, once
    :raises ConfigurationError: if it never comes, or is not understood
    """

    every: timedelta | None = None
    cron: str | None = None
    timezone: str = "UTC"
    catch_up: bool = True

    def __post_init__(self) -> None:
        if (self.every is None) == (self.cron is None):
            raise ConfigurationError("A task is sent again by `every`, an interval, or by `cron`: give one of them")
        if not isinstance(self.catch_up, bool):
            raise ConfigurationError(f"catch_up is {self.catch_up!r}, but must be true or false")
        if self.every is not None:
            if not (isinstance(self.every, timedelta) and self.every.total_seconds() >= MIN_SECONDS):
                raise ConfigurationError(f"every is {self.every!r}, but must be a timedelta of a second or more")
            return
        if next(self._iter_cron(datetime.now(UTC)), None) is None:
            raise ConfigurationError(f"cron={self.cron!r} never comes")

    def __str__(self) -> str:
        return f"every {self.every}" if self.every is not None else f"{self.cron} {self.timezone}"

    def find_next(self, after: float) -> float:
        """
        Return when the task is sent next, in seconds since the epoch.

        Where clocks are changed, cron jobs of a fixed hour that would fall out run right after, and none runs twice, as
        Debian's cron has it: https://github.com/cuu508/cronsim

        :param after: later than that, in seconds since the epoch
        """
        if self.every is not None:
            # Whole microseconds are exact, where the product of a number of seconds may be `after` itself.
            step = self.every // timedelta(microseconds=1)
            return (round(after * 1e6) // step + 1) * step / 1e6
        times = self._iter_cron(datetime.fromtimestamp(after, UTC))
        # In the hour that comes twice, what is told first may be a time of its first coming, which is over.
        found = next((each for each in times if each.timestamp() > after), None)
        if found is None:
            raise ConfigurationError(f"cron={self.cron!r} never comes again")
        return found.timestamp()

    def _iter_cron(self, after: datetime) -> Iterator[datetime]:
        cronsim = import_cronsim()
        try:
            zone = ZoneInfo(self.timezone)
        except (ZoneInfoNotFoundError, ValueError, TypeError, OSError) as error:
            raise ConfigurationError(
                f"timezone is {self.timezone!r}, but must be the name of one, such as Europe/Berlin"
            ) from error
        if not isinstance(self.cron, str) or len(self.cron.split()) != 5:
            raise ConfigurationError(f"cron is {self.cron!r}, but must have five fields, such as '0 3 * * *'")
        try:
            found: Iterator[datetime] = cronsim.CronSim(self.cron, after.astimezone(zone))
        except cronsim.CronSimError as error:
            raise ConfigurationError(f"cron={self.cron!r} is not understood, or never comes: {error}") from error
        return found


def import_cronsim() -> Any:
    """
    Return the parser of cron expressions.

    :raises ConfigurationError: if it is not installed
    """
    try:
        import cronsim
    except ModuleNotFoundError as error:
        raise ConfigurationError("cron needs cronsim: pip install 'microcosm_pubsub[sql]'") from error
    return cronsim
