"""The blocks of the page for other languages run, against a server at another port than the page's."""

from pathlib import Path
from re import DOTALL, findall

import pytest

from tests.peers.environments import CACHE, GO_LIBRARIES, find_go, make_node, make_python


pytestmark = pytest.mark.timeout(600)

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "serve-other-languages.md"


def block(peer, mark: str) -> str:
    """Return the block of a client, which calls the test's server."""
    (code,) = findall(rf"<!-- peer: {mark} -->\n```\w+\n(.*?)```", PAGE.read_text(), DOTALL)
    assert "http://127.0.0.1:4566" in code
    return code.replace("http://127.0.0.1:4566", peer.url)


def test_awscli(peer):
    programs = make_python("awscli")
    code = f'set -eu\nPATH="{programs}:$PATH"\n{block(peer, "awscli")}'
    assert '"Body": "hello"' in peer.run("sh", "-c", code)


def test_node(peer):
    (peer.directory / "node_modules").symlink_to(make_node() / "node_modules")
    (peer.directory / "page.mjs").write_text(block(peer, "node"))
    assert peer.run("node", "page.mjs") == "hello\n"


def test_go(peer):
    go = find_go()
    (peer.directory / "page.go").write_text(block(peer, "go"))
    # its libraries are no modules, but packages of Debian; what was compiled once is kept
    environment = {"GO111MODULE": "off", "GOPATH": str(GO_LIBRARIES), "GOCACHE": str(CACHE / "go"), "GOFLAGS": "-p=1"}
    words = [f"{name}={value}" for name, value in environment.items()]
    assert peer.run("env", *words, go, "run", "page.go", seconds=500) == "hello\n"


def test_every_client_of_the_page_is_run_here():
    marks = findall(r"<!-- peer: (\w+) -->", PAGE.read_text())
    assert marks
    assert [mark for mark in marks if f"test_{mark}" not in globals()] == []
