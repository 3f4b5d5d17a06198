"""Links within the documentation lead somewhere."""

from pathlib import Path
from re import MULTILINE, findall, sub

import pytest


ROOT = Path(__file__).parents[2]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]


def find_links(page):
    links = findall(r"\]\(([^)\s]+)\)", page.read_text())
    return [link for link in links if not link.startswith(("http://", "https://"))]


def find_anchors(page):
    """Find the anchors of a page's headings, as GitHub names them."""
    headings = findall(r"^#+ (.*)$", page.read_text(), flags=MULTILINE)
    return {sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_resolve(page):
    broken = []
    for link in find_links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in find_anchors(target)):
            broken.append(link)

    assert broken == []


@pytest.mark.parametrize("page", sorted((ROOT / "docs").rglob("*.md")), ids=lambda page: str(page.relative_to(ROOT)))
def test_page_can_be_found_from_the_index(page):
    index = ROOT / "docs" / "index.md"
    linked = {(index.parent / link.partition("#")[0]).resolve() for link in find_links(index)}

    assert page == index or page in linked


@pytest.mark.parametrize("page", sorted((ROOT / "docs" / "decisions").glob("*.md")), ids=lambda page: page.stem)
def test_decision_record_has_its_form(page):
    text = page.read_text()
    lines = text.splitlines()

    assert len(lines) < 25
    assert lines[0].startswith(f"# {int(page.name[:4])}. ")
    assert [part for part in ("**Context.**", "**Decision.**", "**Consequence.**") if part not in text] == []
