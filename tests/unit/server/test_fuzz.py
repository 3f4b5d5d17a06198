"""What no client would send is answered, and stops nobody."""

from tests.fuzz.http import run


def test_odd_requests(make_server):
    server = make_server("sqlite://")
    statuses = run(server.url, 3000, seed=18)
    assert statuses[200]
    assert statuses[400]
