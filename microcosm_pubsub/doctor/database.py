"""
The database of handlers' transactions: whether it answers, and the version of our tables.
"""

from __future__ import annotations

from collections.abc import Iterator

from microcosm_pubsub.daemon import ConsumerDaemon
from microcosm_pubsub.doctor.finding import Finding, error, judge_absent, ok, warning
from microcosm_pubsub.errors import PubSubError


UPGRADE = "run `pubsub db upgrade`, or set pubsub_database.auto_upgrade"


def check_database(daemon: ConsumerDaemon) -> Iterator[Finding]:
    """
    Look at the database of a daemon, if it has one.

    :param daemon: with its graph
    """
    database = daemon.graph.pubsub_database
    if database is None:
        yield ok("database", "none, and no handler needs one")
        return
    # SQLAlchemy is imported only by a graph that has a database
    from microcosm_pubsub.sql.upgrade import HEAD, is_older

    automatic = database.settings.auto_upgrade
    if database.url is not None and (path := database.url.find_absent_file()) is not None:
        if automatic:
            yield judge_absent("database", path, "it")
        else:
            yield error("database", f"there is no file {path}", f"correct pubsub_database.url, or {UPGRADE}")
        return
    try:
        version = database.find_version()
    except PubSubError as failure:
        yield error("database", str(failure), "check pubsub_database.url, that the server runs, and the user's rights")
        return
    finally:
        database.close()
    if version == HEAD or (database.url is not None and database.url.is_memory):
        yield ok("database", f"{database} is at {version or HEAD}")
    elif version is None or is_older(version):
        text = f"{database} has no tables of ours" if version is None else f"the tables in {database} are at {version}"
        if automatic:
            yield ok("database", f"{text}: the daemon brings them to {HEAD} when it starts")
        else:
            yield error("database", f"{text}, and {HEAD} is needed", UPGRADE)
    else:
        yield error(
            "database",
            f"the tables in {database} are at {version}, and this package knows only up to {HEAD}",
            "upgrade microcosm_pubsub",
        )
    if database.url is not None and database.url.is_memory:
        yield warning("database", "it is in memory: what is written ends with the process", "set pubsub_database.url")
