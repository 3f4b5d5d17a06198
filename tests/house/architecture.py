"""
The picture of the package in docs/explanation/architecture.md, made from the code.

    python -m tests.house.architecture        writes it, after a change that was meant
    python -m tests.house.architecture FILE   writes it there

Its rows are the layers that import-linter holds, its words are those of the map in the package's docstring, and its
numbers are the order in which one message, published and then handled, first entered each part while this ran.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from pathlib import Path
from textwrap import wrap
from tomllib import loads
from types import FrameType
from typing import Any

import microcosm_pubsub


PACKAGE = "microcosm_pubsub"
ROOT = Path(__file__).parents[2]
PICTURE = ROOT / "docs" / "explanation" / "architecture.svg"

#: Parts that every other part calls: they are entered all the time, and are no stops on the way.
EVERYWHERE = frozenset({"config", "constants", "errors", "fast", "types"})

WIDTH, ROW, TOP, LEFT = 1120, 42, 96, 40
BOX, BOX_HEIGHT, GAP, WORDS = 104, 26, 12, 516
BLUE, ORANGE, INK = "#2563a8", "#b45309", "#1f2937"


@dataclass(frozen=True, slots=True)
class Floor:
    """Parts that stand beside each other, and what the map says of them."""

    names: list[str]
    words: str


def read_floors() -> list[Floor]:
    """Return the layers in the order of the map, the one that imports nothing first."""
    settings = loads((ROOT / "pyproject.toml").read_text())
    (contract,) = [each for each in settings["tool"]["importlinter"]["contracts"] if each["type"] == "layers"]
    lines = re.findall(
        r"^- ((?:`\w+`,? ?)+): ((?:.+\n)(?:  .+\n)*)", microcosm_pubsub.__doc__ or "", flags=re.MULTILINE
    )
    words = {frozenset(re.findall(r"`(\w+)`", names)): " ".join(text.split()) for names, text in lines}
    floors = [sorted(re.split(r"\s*[|:]\s*", layer)) for layer in reversed(contract["layers"])]
    return [Floor(names, words[frozenset(names)]) for names in floors]


def find_stops(run: Callable[[], Any]) -> list[str]:
    """Return the parts of the package that a call enters, each once, in order."""
    stops: dict[str, None] = {}

    def note(frame: FrameType, event: str, _: Any) -> None:
        package, _, rest = frame.f_globals.get("__name__", "").partition(".")
        part = rest.partition(".")[0]
        if event == "call" and package == PACKAGE and part and part not in EVERYWHERE:
            stops.setdefault(part)

    sys.setprofile(note)
    try:
        run()
    finally:
        sys.setprofile(None)
    # What stands around the program while it is tested is on nobody's way.
    return [stop for stop in stops if stop not in ("harness", "testing")]


def find_ways() -> tuple[list[str], list[str]]:
    """Return the parts that a message enters when it is published, and when it is handled."""
    # A handler that is declared would be seen by whoever imports this module for its words.
    from microcosm_pubsub.harness import harness
    from tests.house.greeting import Greeting, GreetingDaemon

    with harness(GreetingDaemon) as app:
        # The first message finds nothing prepared: what the second one does is the way of all that follow.
        for _ in range(2):
            published = find_stops(lambda: app.publish(Greeting("world")))
            handled = find_stops(app.run)
    return published, handled


def draw_badge(x: float, y: float, colour: str, number: int) -> list[str]:
    return [
        f'<circle cx="{x}" cy="{y}" r="9" fill="{colour}"/>',
        f'<text x="{x}" y="{y + 3.5}" text-anchor="middle" font-size="10" fill="#fff">{number}</text>',
    ]


def draw_box(name: str, x: int, y: int, published: list[str], handled: list[str]) -> list[str]:
    is_stop = name in published or name in handled
    fill, stroke = ("#fef9ee", INK) if is_stop else ("#f3f4f6", "#9ca3af")
    lines = [
        f'<rect x="{x}" y="{y}" width="{BOX}" height="{BOX_HEIGHT}" rx="4" fill="{fill}" stroke="{stroke}"/>',
        f'<text x="{x + BOX / 2}" y="{y + 17}" text-anchor="middle" font-size="12">{name}</text>',
    ]
    if name in published:
        lines += draw_badge(x + 4, y, BLUE, published.index(name) + 1)
    if name in handled:
        lines += draw_badge(x + BOX - 4, y, ORANGE, handled.index(name) + 1)
    return lines


def draw(floors: list[Floor], published: list[str], handled: list[str]) -> str:
    """Return the picture, as SVG."""
    height = TOP + ROW * len(floors) + 16
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"'
        f' font-family="Helvetica, Arial, sans-serif" fill="{INK}">',
        "<!-- Made by python -m tests.house.architecture. -->",
        f"<title>The parts of {PACKAGE}, and the way of a message through them</title>",
        f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>',
        f'<text x="{LEFT}" y="30" font-size="16" font-weight="bold">The parts of {PACKAGE}</text>',
        f'<text x="{LEFT}" y="50" font-size="12">A part imports from the rows above its own alone.</text>',
        *draw_badge(LEFT + 9, 68, BLUE, 1),
        f'<text x="{LEFT + 24}" y="72" font-size="12">order in which a message is published</text>',
        *draw_badge(LEFT + 269, 68, ORANGE, 1),
        f'<text x="{LEFT + 284}" y="72" font-size="12">order in which it is received and handled</text>',
        f'<path d="M18 {height - 24} V{TOP + 6} m-5 8 l5 -8 l5 8" fill="none" stroke="#9ca3af" stroke-width="2"/>',
    ]
    for row, floor in enumerate(floors):
        y = TOP + ROW * row
        for column, name in enumerate(floor.names):
            lines += draw_box(name, LEFT + column * (BOX + GAP), y, published, handled)
        texts = wrap(floor.words, 84)
        for number, text in enumerate(texts):
            base = y + 17 + (number - (len(texts) - 1) / 2) * 14
            lines.append(f'<text x="{WORDS}" y="{base}" font-size="12">{escape(text)}</text>')
    return "\n".join([*lines, "</svg>"]) + "\n"


def main() -> None:
    """Write the picture."""
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else PICTURE
    path.write_text(draw(read_floors(), *find_ways()))


if __name__ == "__main__":
    main()
