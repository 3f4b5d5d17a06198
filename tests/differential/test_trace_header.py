"""
X-Ray's header is said the short way as it is said by boto3.
"""

from typing import Any

import pytest

from microcosm_pubsub.fast.trace_header import NAME, TRACE_HEADER
from tests.differential.server import Reply


CONTENT = (
    b'<PublishResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><PublishResult><MessageId>1</MessageId>'
    b"</PublishResult><ResponseMetadata><RequestId>2</RequestId></ResponseMetadata></PublishResponse>"
)
PUBLISHED = Reply(b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: %d\r\n\r\n" % len(CONTENT) + CONTENT)
PARAMETERS: dict[str, Any] = {"TopicArn": "arn:aws:sns:us-east-1:000000000000:topic", "Message": "hello"}
HEADER = "Root=1-4bf92f35-77b34da6a3ce929d0e0e4736;Parent=00f067aa0ba902b7;Sampled=1"


@pytest.fixture
def publish(server):
    def publish(client: Any, header: str | None) -> str | None:
        token = TRACE_HEADER.set(header)
        server.play(PUBLISHED)
        client.publish(**PARAMETERS)
        TRACE_HEADER.reset(token)
        (request,) = server.requests
        assert "x-amzn-trace-id" not in request.header("authorization").lower()
        return request.header(NAME.lower())

    return publish


def test_it_is_of_each_call(server, make_client, parts, publish, counted):
    client = make_client("sns", server.url, parts, is_traced=True)

    headers = [HEADER, None, HEADER.replace("4bf9", "5bf9"), None]
    assert [publish(client, header) for header in headers] == headers
    assert counted == ["Publish"] * 3


def test_boto3_says_it_too(server, make_client, publish, counted):
    client = make_client("sns", server.url, "botocore", is_traced=True)

    assert [publish(client, header) for header in (HEADER, None)] == [HEADER, None]
    assert counted == []
