"""The page on what is measured has every instrument, by both of its names."""

from pathlib import Path
from re import MULTILINE, findall

from microcosm_pubsub.meters.instruments import INSTRUMENTS, Kind


PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "measure.md"


def test_instruments_of_the_page_are_those_that_there_are():
    documented = findall(r"^\| `(pubsub_\w+)` \| `([\w.]+)` \|", PAGE.read_text(), flags=MULTILINE)
    existing = [
        (f"pubsub_{each.name}{'_total' if each.kind is Kind.COUNTER else ''}", each.otel_name) for each in INSTRUMENTS
    ]
    assert sorted(documented) == sorted(existing)
