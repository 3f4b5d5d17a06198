"""
Without the extra `fast`, and with a botocore that finds no awscrt to sign with either.
"""

from subprocess import run
from sys import executable

from tests.differential.server import Reply
from tests.differential.verifier import verify


PROGRAM = """
import sys

sys.modules["awscrt"] = sys.modules["orjson"] = None

from microcosm_pubsub.clients import make_client
from microcosm_pubsub.fast.transport import client_transport
from microcosm_pubsub.fast.transport.hot_calls import HotCalls

begin, flights = HotCalls.begin, []
HotCalls.begin = lambda *arguments: flights.append(begin(*arguments)) or flights[-1]
client = make_client(
    "sqs",
    profile_name=None,
    region_name="us-east-1",
    endpoint_url=sys.argv[1],
    connect_timeout=5,
    read_timeout=5,
    max_pool_connections=10,
    max_attempts=1,
)
for _ in range(3):
    (message,) = client.receive_message(QueueUrl="http://queue")["Messages"]
    assert message == {"Body": "é"}
print(client_transport(client), sum(map(bool, flights)))
"""


def test_without_extras(server):
    content = '{"Messages": [{"Body": "é"}]}'.encode()
    server.play(*[Reply(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(content), content))] * 3)

    output = run([executable, "-c", PROGRAM, server.url], capture_output=True, check=True, text=True).stdout

    assert output.split() == ["socket", "2"]
    for request in server.requests:
        verify(request, {"test": ("test", None)})
    first, *others = [sorted(name.lower() for name, _ in request.headers) for request in server.requests]
    assert others == [first, first]
