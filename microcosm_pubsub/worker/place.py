"""
Where a thread is: for who has to find out why a handler does not come to its end.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from sysconfig import get_path
from threading import Thread
from types import FrameType
from typing import Any

from microcosm_pubsub.middleware.event_loop import EventLoop
from microcosm_pubsub.result import PACKAGE


#: The code that handlers call, and that seldom says what for.
LIBRARIES = tuple(f"{get_path(name)}/" for name in ("purelib", "platlib"))
STANDARD = f"{get_path('stdlib')}/"


def find_place(thread: Thread, loop: EventLoop) -> str | None:
    """
    Return the innermost line of the user's code in which a thread is; None if it has ended.

    Where none is the user's, it is that of a library, else of ours.

    :param loop: runs the coroutine for which the thread may wait
    """
    coroutine = loop.find_coroutine(thread)
    stack = [] if coroutine is None else list(iter_coroutine(coroutine, loop))
    frames = [frame for frame in [*stack, *iter_frames(get_innermost(thread))] if not is_standard(frame)]
    if not frames:
        return None
    frame = min(frames, key=rank)
    return f"{frame.f_code.co_filename}:{frame.f_lineno} in {frame.f_code.co_name}"


def get_innermost(thread: Thread | None) -> FrameType | None:
    """Return the innermost frame of a thread; None if it has ended."""
    return None if thread is None else sys._current_frames().get(thread.ident or 0)


def iter_coroutine(coroutine: Any, loop: EventLoop) -> Iterator[FrameType]:
    """Iterate over the frames of a coroutine, from the inside out."""
    if getattr(coroutine, "cr_running", False):
        # It does not await, and keeps the loop from others.
        yield from iter_frames(get_innermost(loop.thread))
        return
    frames = []
    while (frame := getattr(coroutine, "cr_frame", None)) is not None:
        frames.append(frame)
        coroutine = coroutine.cr_await
    yield from reversed(frames)


def iter_frames(frame: FrameType | None) -> Iterator[FrameType]:
    """Iterate over a frame, and those that called it, from the inside out."""
    while frame is not None:
        yield frame
        frame = frame.f_back


def is_standard(frame: FrameType) -> bool:
    """Return whether a frame is of the standard library."""
    name = frame.f_code.co_filename
    return name.startswith("<frozen") or (name.startswith(STANDARD) and not name.startswith(LIBRARIES))


def rank(frame: FrameType) -> int:
    """Return how little a frame says of what a handler does; the first one of the lowest rank says most."""
    name = frame.f_code.co_filename
    return 2 if name.startswith(PACKAGE) else int(name.startswith(LIBRARIES))
