"""
Fetching over HTTP, and its bounds, against real servers.
"""

import gzip
import socket
from threading import Event, Thread

import pytest

from microcosm_pubsub.errors import ConfigurationError, ResourceError
from microcosm_pubsub.handlers.header import RESERVED, clean_headers
from microcosm_pubsub.handlers.location import locate
from microcosm_pubsub.handlers.session import ResourceSession, URINotAllowed


@pytest.fixture
def make_session():
    sessions = []

    def make(**kwargs):
        sessions.append(ResourceSession(**kwargs))
        return sessions[-1]

    yield make
    for session in sessions:
        session.close()


def headers_of(server, path):
    return [
        {name.lower(): value for name, value in headers.items()}
        for requested, headers in server.requests
        if requested == path
    ]


def other_name(server):
    """Return the server's URL with another name of its host, so that it is another origin."""
    return server.url.replace("127.0.0.1", "localhost")


def test_get(server, make_session):
    server.routes["/a"] = {"id": 1}
    response = make_session().get(f"{server.url}/a?q=1", headers={"X-Request-Id": "r1"})
    assert (response.status_code, response.json(), response.text) == (200, {"id": 1}, '{"id": 1}')
    (headers,) = headers_of(server, "/a?q=1")
    assert (headers["x-request-id"], headers["accept"]) == ("r1", "application/json")


@pytest.mark.parametrize("status", [400, 404, 500])
def test_any_status_is_a_response(server, make_session, status):
    server.routes["/a"] = lambda answer: answer.give({"error": "e"}, status=status)
    response = make_session().get(f"{server.url}/a")
    assert (response.status_code, response.json()) == (status, {"error": "e"})


def test_connections_are_kept_and_cookies_are_not(server, make_session):
    ports = []

    def give(answer):
        ports.append(answer.client_address[1])
        answer.give({}, Set_Cookie="a=b; Path=/")

    server.routes["/a"] = give
    session = make_session()
    for _ in range(3):
        session.get(f"{server.url}/a")
    assert len(set(ports)) == 1
    assert all("cookie" not in headers for headers in headers_of(server, "/a"))


def test_credentials_of_netrc_do_not_replace_headers(server, make_session, tmp_path, monkeypatch):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login user password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    server.routes["/a"] = {}
    session = make_session()
    session.get(f"{server.url}/a", headers={"Authorization": "Bearer token"})
    session.get(f"{server.url}/a")
    assert [headers.get("authorization") for headers in headers_of(server, "/a")] == ["Bearer token", None]


def test_threads_share_a_session(server, make_session):
    server.routes.update({f"/{number}": {"number": number} for number in range(20)})
    session = make_session(pool_size=2)
    got = {}

    def get(number):
        got[number] = session.get(f"{server.url}/{number}", headers={"X-Number": number}).json()["number"]

    threads = [Thread(target=get, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == {number: number for number in range(20)}
    assert all(headers["X-Number"] == path.removeprefix("/") for path, headers in server.requests)


# -- redirects


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_followed(server, make_session, status):
    server.routes["/a"] = lambda answer: answer.redirect("b?q=1", status=status)
    server.routes["/b"] = {"id": 1}
    response = make_session().get(f"{server.url}/a", headers={"X-Request-Id": "r1"})
    assert response.json() == {"id": 1}
    assert server.paths() == ["/a", "/b?q=1"]
    assert headers_of(server, "/b?q=1")[0]["x-request-id"] == "r1"


def test_opaque_data_is_not_sent_to_another_origin(serve, make_session):
    other = serve(b={"id": 1})
    here = serve(a=lambda answer: answer.redirect(f"{other.url}/b"))
    assert make_session().get(f"{here.url}/a", headers={"X-Request-Id": "r1"}).json() == {"id": 1}
    assert headers_of(here, "/a")[0]["x-request-id"] == "r1"
    assert "x-request-id" not in headers_of(other, "/b")[0]


def test_opaque_data_does_not_come_back_with_a_redirect(server, make_session):
    server.routes["/a"] = lambda answer: answer.redirect(f"{other_name(server)}/b")
    server.routes["/b"] = lambda answer: answer.redirect(f"{server.url}/c")
    server.routes["/c"] = {}
    make_session().get(f"{server.url}/a", headers={"X-Request-Id": "r1"})
    assert server.paths() == ["/a", "/b", "/c"]
    assert "x-request-id" not in headers_of(server, "/c")[0]


@pytest.mark.parametrize(("redirects", "allowed"), [(0, 0), (2, 2), (3, 2), (1, 0)])
def test_redirects_are_bounded(server, make_session, redirects, allowed):
    def answer_with(number):
        if number == redirects:
            return {"id": 1}
        return lambda answer: answer.redirect(f"/{number + 1}")

    server.routes.update({f"/{number}": answer_with(number) for number in range(redirects + 1)})
    session = make_session(max_redirects=allowed)
    if redirects <= allowed:
        assert session.get(f"{server.url}/0").json() == {"id": 1}
    else:
        with pytest.raises(ResourceError, match=f"more than {allowed} redirects"):
            session.get(f"{server.url}/0")
        assert len(server.requests) == allowed + 1


@pytest.mark.parametrize("location", ["http://[", "http://", "http://:99999999/"])
def test_a_malformed_redirect_is_an_error(server, make_session, location):
    server.routes["/a"] = lambda answer: answer.redirect(location)
    with pytest.raises(ResourceError, match=f"GET {server.url}/a failed"):
        make_session().get(f"{server.url}/a")


# -- what is allowed


def test_a_host_that_is_not_allowed_is_not_asked(server, make_session):
    server.routes["/a"] = {}
    with pytest.raises(URINotAllowed, match=r"add it to pubsub_uri_session\.allowed_hosts") as caught:
        make_session(allowed_hosts=["example.com"]).get(f"{server.url}/a?secret=1")
    assert caught.value.reason == "URI host not allowed"
    assert "secret" not in str(caught.value)
    assert server.requests == []


@pytest.mark.parametrize("host", ["127.0.0.1", " 127.0.0.1 "])
def test_a_host_that_is_allowed_is_asked(server, make_session, host):
    server.routes["/a"] = {"id": 1}
    assert make_session(allowed_hosts=["example.com", host]).get(f"{server.url}/a").json() == {"id": 1}


def test_names_of_hosts_have_no_case(server, make_session):
    server.routes["/a"] = {}
    make_session(allowed_hosts=["LocalHost"]).get(f"{other_name(server).upper()}/a".replace("/A", "/a"))
    assert server.paths() == ["/a"]


@pytest.mark.parametrize(
    "uri",
    [
        "http://127.0.0.1@{other}/a",
        "http://127.0.0.1\\@{other}/a",
        "http://{other}\\@127.0.0.1/a",
        "http://{other}#@127.0.0.1/a",
        "http://{other}?@127.0.0.1/a",
        "http://127.0.0.1.{other}/a",
    ],
)
def test_no_disguise_of_a_host_is_allowed(server, make_session, uri):
    other = other_name(server).removeprefix("http://")
    with pytest.raises(ResourceError):
        make_session(allowed_hosts=["127.0.0.1"]).get(uri.format(other=other))
    assert server.requests == []


def test_a_redirect_to_a_host_that_is_not_allowed_is_not_followed(server, make_session):
    server.routes["/a"] = lambda answer: answer.redirect(f"{other_name(server)}/b")
    with pytest.raises(URINotAllowed):
        make_session(allowed_hosts=["127.0.0.1"]).get(f"{server.url}/a")
    assert server.paths() == ["/a"]


@pytest.mark.parametrize(
    "uri", ["ftp://example.com/a", "file:///etc/passwd", "httpx://example.com/a", "urn:isbn:1", "mailto:a@b"]
)
def test_other_schemes_are_not_fetched(server, make_session, uri):
    server.routes["/a"] = lambda answer: answer.redirect(uri)
    for each in (uri, f"{server.url}/a"):
        with pytest.raises(URINotAllowed) as caught:
            make_session().get(each)
        assert caught.value.reason == "URI scheme not allowed"


@pytest.mark.parametrize("uri", ["", "/a", "http://", "http://[", "http://host:port/", "http://.a.example/"])
def test_a_malformed_uri_is_an_error(make_session, uri):
    with pytest.raises(ResourceError) as caught:
        make_session(connect_timeout_seconds=1).get(uri)
    assert not isinstance(caught.value, URINotAllowed)
    assert caught.value.__cause__ is not None


@pytest.mark.parametrize("host", ["", "http://a.example", "a.example:80", "a.example/a", "*.example"])
def test_a_setting_that_no_host_could_match_is_refused(host):
    with pytest.raises(ConfigurationError, match=r"pubsub_uri_session\.allowed_hosts"):
        ResourceSession(allowed_hosts=[host])


# -- bounds


def test_a_silent_server_is_not_waited_for(make_session):
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/a"
        with pytest.raises(ResourceError, match=r"silence for 0.05 seconds.*read_timeout_seconds"):
            make_session(read_timeout_seconds=0.05).get(f"{url}?secret=1")


def test_a_server_that_falls_silent_is_not_waited_for(server, make_session):
    released = Event()

    def give(answer):
        answer.send_response(200)
        answer.send_header("Content-Length", "10")
        answer.end_headers()
        answer.wfile.write(b"[")
        answer.wfile.flush()
        released.wait(5)
        answer.close_connection = True

    server.routes["/a"] = give
    try:
        with pytest.raises(ResourceError, match=r"silence for 0.05 seconds"):
            make_session(read_timeout_seconds=0.05).get(f"{server.url}/a")
    finally:
        released.set()


def drip(answer, clock, data, sent):
    """Send one byte at a time, each a second after the other, for as long as somebody listens."""
    answer.close_connection = True
    try:
        for byte in data:
            answer.wfile.write(bytes([byte]))
            answer.wfile.flush()
            sent.append(byte)
            clock.advance(1)
            answer.connection.settimeout(0.002)
            # The client never writes: this waits for it to read, or to hang up.
            try:
                if answer.connection.recv(1) == b"":
                    return
            except TimeoutError:
                answer.connection.settimeout(None)
    except OSError:
        pass


BODIES = {
    "headers": b"HTTP/1.1 200 OK\r\nX-Padding: " + b"x" * 5000,
    "body": b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n" + b"x" * 5000,
    "chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 1000,
    "body until the end": b"HTTP/1.0 200 OK\r\n\r\n" + b"x" * 5000,
}


@pytest.mark.parametrize("data", BODIES.values(), ids=BODIES)
def test_a_dripping_server_is_not_waited_for(server, make_session, clock, data):
    sent = []
    server.routes["/a"] = lambda answer: drip(answer, clock, data, sent)
    session = make_session(read_timeout_seconds=30, total_timeout_seconds=60, clock=clock)
    with pytest.raises(ResourceError, match="no complete response within 60 seconds"):
        session.get(f"{server.url}/a?secret=1")
    assert len(sent) < 1000


@pytest.mark.parametrize("drips", [False, True])
def test_a_proxy_is_used_and_bounded_too(server, make_session, clock, monkeypatch, drips):
    monkeypatch.delenv("no_proxy")
    monkeypatch.setenv("http_proxy", server.url)
    uri = "http://resource.invalid/a"
    server.routes[uri] = (lambda answer: drip(answer, clock, BODIES["body"], [])) if drips else {"id": 1}
    session = make_session(clock=clock)
    if drips:
        with pytest.raises(ResourceError, match="no complete response within 60 seconds"):
            session.get(uri)
    else:
        assert session.get(uri).json() == {"id": 1}


def test_redirects_share_one_deadline(server, make_session, clock):
    def redirect(answer):
        clock.advance(25)
        answer.redirect("/a")

    server.routes["/a"] = redirect
    with pytest.raises(ResourceError, match="no complete response within 60 seconds"):
        make_session(total_timeout_seconds=60, max_redirects=10, clock=clock).get(f"{server.url}/a")
    assert len(server.requests) == 3


def test_a_new_request_has_a_new_deadline(server, make_session, clock):
    server.routes["/a"] = lambda answer: (clock.advance(50), answer.give({}))
    session = make_session(total_timeout_seconds=60, clock=clock)
    assert [session.get(f"{server.url}/a").status_code for _ in range(3)] == [200, 200, 200]


@pytest.mark.parametrize("size", [100, 101])
@pytest.mark.parametrize("encoding", ["plain", "gzip", "chunked"])
def test_responses_are_bounded(server, make_session, size, encoding):
    content = b"1" * size

    def give(answer):
        if encoding == "gzip":
            answer.give(gzip.compress(content), Content_Encoding="gzip")
        elif encoding == "chunked":
            answer.send_response(200)
            answer.send_header("Transfer-Encoding", "chunked")
            answer.end_headers()
            answer.wfile.write(b"%x\r\n%s\r\n0\r\n\r\n" % (size, content))
        else:
            answer.give(content)

    server.routes["/a"] = give
    session = make_session(max_response_bytes=100)
    if size <= 100:
        assert session.get(f"{server.url}/a").content == content
    else:
        with pytest.raises(ResourceError, match=r"larger than 100 bytes.*max_response_bytes"):
            session.get(f"{server.url}/a?secret=1")


def test_an_endless_redirect_is_not_read(server, make_session):
    server.routes["/a"] = lambda answer: answer.give(b"x" * 5_000_000, status=302, Location="/b")
    server.routes["/b"] = {"id": 1}
    assert make_session(max_response_bytes=100).get(f"{server.url}/a").json() == {"id": 1}


@pytest.mark.parametrize("breaks", ["before", "within"])
def test_a_broken_connection_is_an_error(server, make_session, breaks):
    def give(answer):
        answer.close_connection = True
        if breaks == "within":
            answer.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n[")

    server.routes["/a"] = give
    with pytest.raises(ResourceError, match=f"GET {server.url}/a failed: .*check that") as caught:
        make_session().get(f"{server.url}/a?secret=1")
    assert "secret" not in str(caught.value)
    assert caught.value.__cause__ is not None


def test_a_refused_connection_is_an_error(make_session):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(ResourceError, match=f"GET http://127.0.0.1:{port}/a failed"):
        make_session().get(f"http://user:password@127.0.0.1:{port}/a?secret=1")


# -- what is said, and sent

LOCATIONS = {
    "http://example.com/a/b?c=d#e": "http://example.com/a/b",
    "https://user:password@example.com:8443/a": "https://example.com:8443/a",
    "http://[": "a malformed URI",
    "/a?b": "/a",
}


@pytest.mark.parametrize(("uri", "expected"), LOCATIONS.items())
def test_what_is_said_of_a_uri_keeps_its_secrets(uri, expected):
    assert locate(uri) == expected


HEADERS = {
    "text": ({"X-Request-Id": "a"}, {"X-Request-Id": "a"}),
    "number": ({"x-request-ttl": 3}, {"x-request-ttl": "3"}),
    "spaces around": ({"a": " b "}, {"a": "b"}),
    "not ASCII": ({"a": "é☃"}, {"a": "é☃".encode()}),
    "None": ({"a": None}, {}),
    "line break": ({"a": "b\r\nHost: c"}, {}),
    "name that is none": ({"a b": "c", "": "d", "e:f": "g", "h\n": "i", "é": "j"}, {}),
    "reserved": (dict.fromkeys([*RESERVED, "Host", "Content-Length"], "a"), {}),
}


@pytest.mark.parametrize(("values", "expected"), HEADERS.values(), ids=HEADERS)
def test_headers_are_fit_to_be_sent(values, expected):
    assert clean_headers(values) == expected


def test_any_opaque_data_can_be_sent(server, make_session):
    server.routes["/a"] = {}
    values = {"a": "é☃", "b": "c\nd", "host": "example.com", "content-length": "7", "e": ""}
    make_session().get(f"{server.url}/a", headers=values)
    (headers,) = headers_of(server, "/a")
    assert headers["a"].encode("latin-1").decode() == "é☃"
    assert headers["host"] == f"127.0.0.1:{server.server_port}"
    assert "content-length" not in headers
    assert "b" not in headers


# -- configuration


def settings_of(session):
    return {key: value for key, value in vars(session).items() if not key.startswith("_")}


def test_defaults(make_graph):
    assert settings_of(make_graph().pubsub_uri_session) == {
        "allowed_hosts": frozenset(),
        "connect_timeout_seconds": 5,
        "read_timeout_seconds": 30,
        "total_timeout_seconds": 60,
        "max_redirects": 5,
        "max_response_bytes": 10 * 1024 * 1024,
    }


def test_settings_are_read_from_text(make_graph):
    graph = make_graph(
        allowed_hosts="a.example.com, [::1]",
        connect_timeout_seconds="1",
        read_timeout_seconds="2.5",
        total_timeout_seconds="3",
        max_redirects="0",
        max_response_bytes="4",
        pool_size="5",
    )
    assert settings_of(graph.pubsub_uri_session) == {
        "allowed_hosts": frozenset({"a.example.com", "::1"}),
        "connect_timeout_seconds": 1,
        "read_timeout_seconds": 2.5,
        "total_timeout_seconds": 3,
        "max_redirects": 0,
        "max_response_bytes": 4,
    }


@pytest.mark.parametrize(
    "config",
    [
        {"connect_timeout_seconds": 0},
        {"read_timeout_seconds": "soon"},
        {"total_timeout_seconds": -1},
        {"max_redirects": -1},
        {"max_response_bytes": 0},
        {"pool_size": 0},
    ],
)
def test_settings_that_cannot_work_are_refused(make_graph, config):
    with pytest.raises(ConfigurationError, match=f"pubsub_uri_session.{next(iter(config))}"):
        make_graph(**config)
