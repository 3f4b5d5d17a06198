"""
What is learned of botocore's requests, for endpoints of every kind.
"""

from typing import Any

import boto3
import pytest
from botocore.config import Config
from hypothesis import given
from hypothesis import strategies as st

from microcosm_pubsub.fast.transport import make_parts
from microcosm_pubsub.fast.transport.errors import FallBack
from microcosm_pubsub.fast.transport.model import Model
from microcosm_pubsub.fast.transport.query import quote
from microcosm_pubsub.fast.transport.request_template import RequestTemplate
from microcosm_pubsub.fast.transport.route import find_way


PARAMETERS = {"QueueUrl": "https://queue", "MaxNumberOfMessages": 10}

PARTS = {"socket": make_parts(), "crt": make_parts(crt=True, orjson=True)}


def capture(**options: Any) -> tuple[Any, Any]:
    """Return a client, and a request that it was about to send."""
    captured = []

    class Captured(Exception):
        pass

    def keep(request: Any, **_: Any) -> None:
        captured.append(request)
        raise Captured

    client = boto3.Session(region_name="eu-west-1").client("sqs", **options)
    client.meta.events.register_first("before-send.sqs", keep)
    with pytest.raises(Captured):
        client.receive_message(**PARAMETERS)
    return client, captured[0]


def learn(client: Any, request: Any, parts: Any) -> RequestTemplate:
    model = Model(client.meta.service_model.operation_model("ReceiveMessage"), parts)
    credentials = client._request_signer._credentials.get_frozen_credentials()
    way = find_way(client._endpoint.http_session, request.url)
    return RequestTemplate(request, PARAMETERS, model, credentials, parts, way)


@pytest.fixture(params=PARTS)
def parts(request):
    return PARTS[request.param]


@pytest.fixture
def no_retries():
    return {"retries": {"mode": "standard", "total_max_attempts": 1}}


@pytest.mark.parametrize(
    ("options", "url"),
    [
        ({}, "https://sqs.eu-west-1.amazonaws.com/"),
        ({"use_fips_endpoint": True}, "https://sqs-fips.eu-west-1.amazonaws.com/"),
        ({"use_dualstack_endpoint": True}, "https://sqs.eu-west-1.api.aws/"),
    ],
)
def test_endpoints(parts, no_retries, options, url):
    client, request = capture(config=Config(**options, **no_retries))
    template = learn(client, request, parts)
    credentials = client._request_signer._credentials.get_frozen_credentials()
    content, invocation_id = template.make_request(b"{}", credentials)

    assert template.url == url
    lines = content.decode().split("\r\n")
    assert lines[0] == "POST / HTTP/1.1"
    assert f"host: {url.split('/')[2]}" in [line.lower() for line in lines]
    assert f"amz-sdk-invocation-id: {invocation_id}" in lines
    assert lines[-3:] == ["Content-Length: 2", "", "{}"]


@pytest.mark.parametrize("endpoint_url", ["http://127.0.0.1:4100", "https://host:443/", "http://host/a b/ä/../c/?x=1"])
def test_endpoints_of_ones_own(parts, no_retries, endpoint_url):
    client, request = capture(endpoint_url=endpoint_url, config=Config(**no_retries))
    try:
        template = learn(client, request, parts)
    except FallBack:
        # left to botocore, and that is all right for what nobody has
        assert " " in endpoint_url
    else:
        assert template.url == request.url


@pytest.mark.parametrize(
    "change",
    [
        lambda request: request.headers.__setitem__("Authorization", "Bearer x"),
        lambda request: request.headers.__delitem__("Authorization"),
        lambda request: request.headers.__setitem__("X-Amz-Date", "20200101T000000Z"),
        lambda request: request.headers.__setitem__("X-Amz-Target", "AmazonSQS.SendMessage"),
        lambda request: request.headers.__setitem__("X-Odd", "a\r\nb"),
        lambda request: setattr(request, "method", "GET"),
        lambda request: setattr(request, "body", b'{"QueueUrl": "https://another"}'),
        lambda request: setattr(request, "url", "https://sqs.eu-west-1.amazonaws.com/another"),
        lambda request: setattr(request, "stream_output", True),
    ],
)
def test_what_is_not_understood_is_not_learned(parts, no_retries, change):
    client, request = capture(config=Config(**no_retries))
    change(request)
    with pytest.raises(FallBack):
        learn(client, request, parts)


def test_lambda_tells_its_trace(no_retries, monkeypatch):
    client, request = capture(config=Config(**no_retries))
    template = learn(client, request, PARTS["socket"])
    credentials = client._request_signer._credentials.get_frozen_credentials()
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "orders")
    assert b"X-Amzn-Trace-Id" not in template.make_request(b"{}", credentials)[0]
    monkeypatch.setenv(
        "_X_AMZN_TRACE_ID", "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1\n"
    )
    assert (
        b"\r\nX-Amzn-Trace-Id: Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1%0A\r\n"
        in (template.make_request(b"{}", credentials)[0])
    )


@given(st.text() | st.text(st.characters(codec="ascii"), min_size=30, max_size=300))
def test_quote(text):
    from urllib.parse import quote_plus

    assert quote(text) == quote_plus(text)
