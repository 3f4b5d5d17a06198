"""
The state of a demonstration, which is kept in a directory until it is finished.

Killed at any moment, even with SIGKILL, and started again, it goes on where it was: what was published is in the
broker's file, what was handled is in the ledger, and how far publishing got is found by comparing the two.
"""

from __future__ import annotations

import os
from contextlib import suppress
from json import dumps, loads
from pathlib import Path
from signal import SIGTERM


class Run:
    """
    The files of a demonstration.

    :param directory: holds them
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.database = directory / "pubsub.db"
        self.daemon_log = directory / "daemon.log"
        self.ledger = directory / "ledger.jsonl"
        self.pid = directory / "daemon.pid"
        self._texts = directory / "texts.json"
        self._progress = directory / "progress.json"

    @property
    def broker_url(self) -> str:
        """Return the URL of the broker's database."""
        return f"sqlite:///{self.database}"

    @property
    def is_unfinished(self) -> bool:
        """Return whether an earlier run was interrupted."""
        return self._texts.exists()

    def begin(self, texts: list[str]) -> None:
        """Begin a new run that publishes these texts."""
        self.directory.mkdir(parents=True, exist_ok=True)
        for path in self.directory.iterdir():
            if path.is_file():
                path.unlink()
        self._progress.write_text(dumps({"published": 0, "sent": 0}))
        write_at_once(self._texts, dumps(texts))

    def read_texts(self) -> list[str]:
        """Return the texts that the run publishes."""
        texts: list[str] = loads(self._texts.read_text())
        return texts

    def find_published(self, sent: int, chunk_size: int) -> int:
        """
        Return how many texts were published.

        :param sent: how many messages the broker was ever sent
        :param chunk_size: how many texts are published at once, all or none
        """
        progress = loads(self._progress.read_text())
        under_way = sent > progress["sent"]
        return int(progress["published"]) + (chunk_size if under_way else 0)

    def write_progress(self, published: int, sent: int) -> None:
        """Note how far publishing got, before the next texts are published."""
        write_at_once(self._progress, dumps({"published": published, "sent": sent}))

    def finish(self) -> None:
        """Make the next run a new one; its files stay, to be looked at."""
        self._texts.unlink()

    def stop_daemon(self) -> None:
        """Stop a daemon that outlived an earlier run."""
        if not self.pid.exists():
            return
        pid = int(self.pid.read_text())
        with suppress(OSError):
            # The number may by now be another program's.
            if str(self.database) in Path(f"/proc/{pid}/cmdline").read_text():
                os.kill(pid, SIGTERM)
        self.pid.unlink()


def write_at_once(path: Path, text: str) -> None:
    """Write a file so that it is there whole, or not at all."""
    temporary = path.with_suffix(".tmp")
    temporary.write_text(text)
    temporary.replace(path)
