"""
Tell the other processes on a SQLite file that queues have messages: a datagram to the socket of each.

    pubsub.db-bells/            beside the file
        4711-9f2c1a             the socket of a process whose receives wait

Nothing depends on it. A process that cannot make a socket (in another user's directory, on a file system without them),
or is on another machine, or whose socket is full, finds messages by looking. A socket that nobody reads any more is
removed by the next process that rings. A datagram says which queues have messages, and nothing more, so that ringing in
vain does no harm; an empty one says that any queue may have some.
https://man7.org/linux/man-pages/man7/unix.7.html
"""

from __future__ import annotations

from contextlib import contextmanager, suppress
from errno import ECONNREFUSED
from os import O_DIRECTORY, O_RDONLY, chmod, close, fsencode, getpid, listdir, lstat, mkdir, open, stat, unlink
from pathlib import Path
from secrets import token_hex
from socket import AF_UNIX, MSG_DONTWAIT, SHUT_RD, SOCK_DGRAM, socket
from stat import S_ISSOCK
from time import time_ns
from typing import TYPE_CHECKING
from weakref import finalize


if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

#: Beside the database, by its name.
SUFFIX = "-bells"

#: Longer paths are no addresses of sockets: 108 bytes on Linux, 104 elsewhere, the last of which is zero.
MAX_PATH = 103

#: Longer than a tick of any file system's clock.
TICK_NS = 1_000_000_000

#: A datagram has at most this many bytes; with more queues it names none.
MAX_NEWS = 2048

#: The folder of file descriptors, by which a directory is named in few bytes, where there is one.
DESCRIPTORS = Path("/proc/self/fd")


class Bells:
    """
    The sockets beside a database.

    :param database: its path
    """

    def __init__(self, database: str) -> None:
        self.database = Path(database).resolve()
        self.folder = self.database.with_name(self.database.name + SUFFIX)
        # The sockets found at the last look, and when the folder had been changed by then.
        self._found: list[str] = []
        self._found_at = -1
        self._sender: socket | None = None

    def hang(self) -> Bell | None:
        """Return a bell of this process, or None if there can be none."""
        name = f"{getpid()}-{token_hex(4)}"
        listener = socket(AF_UNIX, SOCK_DGRAM)
        try:
            self._make_folder()
            with self._address(name) as address:
                listener.bind(address)
            path = self.folder / name
            # Everybody who may write to the database may ring.
            chmod(path, stat(self.database).st_mode & 0o666)
        except OSError:
            listener.close()
            return None
        return Bell(listener, path)

    def ring(self, except_for: Bell | None = None, queues: Iterable[str] | None = None) -> None:
        """
        Ring all bells but one, without ever waiting.

        :param queues: which have messages; by default any may have
        """
        news = "\n".join(queues or ()).encode()
        for name in self._find():
            if except_for is None or name != except_for.path.name:
                self.ring_one(name, news if len(news) <= MAX_NEWS else b"")

    def ring_one(self, name: str, news: bytes = b"") -> None:
        """Ring a bell, without ever waiting."""
        try:
            with self._address(name) as address:
                self._get_sender().sendto(news, address)
        except OSError as error:
            # A socket that is full is rung already.
            if error.errno == ECONNREFUSED:
                # The process of the socket is gone. A file that is none is somebody's: the folder may be a link.
                with suppress(OSError):
                    if S_ISSOCK(lstat(self.folder / name).st_mode):
                        unlink(self.folder / name)

    def close(self) -> None:
        """Ring no more."""
        if self._sender is not None:
            self._sender.close()
            self._sender = None

    def _find(self) -> list[str]:
        try:
            changed_at = stat(self.folder).st_mtime_ns
            if changed_at != self._found_at:
                self._found = listdir(self.folder)
                # A bell hung within the same tick of the file system's clock does not change the folder's time.
                self._found_at = changed_at if time_ns() - changed_at > TICK_NS else -1
        except OSError:
            return []
        return self._found

    def _make_folder(self) -> None:
        try:
            mkdir(self.folder)
        except FileExistsError:
            return
        # The folder is as open as the directory in which it is, whatever the umask.
        chmod(self.folder, stat(self.folder.parent).st_mode & 0o1777)

    @contextmanager
    def _address(self, name: str) -> Iterator[str]:
        path = str(self.folder / name)
        if len(fsencode(path)) <= MAX_PATH or not DESCRIPTORS.is_dir():
            yield path
            return
        descriptor = open(self.folder, O_RDONLY | O_DIRECTORY)
        try:
            yield f"{DESCRIPTORS}/{descriptor}/{name}"
        finally:
            close(descriptor)

    def _get_sender(self) -> socket:
        if self._sender is None:
            self._sender = socket(AF_UNIX, SOCK_DGRAM)
            self._sender.setblocking(False)
            # A sender that is not closed explicitly is closed with its last user.
            finalize(self, self._sender.close)
        return self._sender


class Bell:
    """
    The socket of this process.

    :param listener: the socket
    :param path: where it is
    """

    def __init__(self, listener: socket, path: Path) -> None:
        self.listener = listener
        self.path = path

    def wait(self) -> set[str] | None:
        """
        Wait until it is rung, and return which queues have messages, as all said that rang meanwhile; None for any.

        :raises OSError: when it was taken down
        """
        heard = {self.listener.recv(MAX_NEWS)}
        with suppress(BlockingIOError):
            while True:
                heard.add(self.listener.recv(MAX_NEWS, MSG_DONTWAIT))
        if b"" in heard:
            return None
        return {queue for news in heard for queue in news.decode(errors="replace").split("\n")}

    def end_wait(self) -> None:
        """Let who waits wait no longer, even if its path leads to it no more, as when the folder was deleted."""
        with suppress(OSError):
            # Not every system does that to a socket without a peer.
            self.listener.shutdown(SHUT_RD)

    def take_down(self) -> None:
        """Let nobody find it any more."""
        with suppress(OSError):
            unlink(self.path)
