"""Requests must be signed with the server's key, if it has one."""

import pytest
from botocore.exceptions import ClientError

from microcosm_pubsub.errors import ConfigurationError
from microcosm_pubsub.server.http import Request, RequestError
from microcosm_pubsub.server.settings import Settings
from microcosm_pubsub.server.signature import Verifier


@pytest.fixture
def locked(make_server):
    return make_server(access_key="test", secret_key="secret")


def test_who_has_the_key_is_let_in(locked):
    sqs, sns = locked.client("sqs", "secret"), locked.client("sns", "secret")
    url = sqs.create_queue(QueueName="orders")["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="größer & \u2028")
    assert sns.create_topic(Name="events")["TopicArn"]


@pytest.mark.parametrize(("service", "code"), [("sqs", "SignatureDoesNotMatch"), ("sns", "SignatureDoesNotMatch")])
def test_who_has_another_secret_is_not(locked, service, code):
    client = locked.client(service, "guessed")
    with pytest.raises(ClientError) as caught:
        client.list_queues() if service == "sqs" else client.list_topics()
    assert caught.value.response["Error"]["Code"] == code
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


def test_what_was_signed_in_advance_is_let_in(locked):
    sqs = locked.client("sqs", "secret")
    url = sqs.generate_presigned_url("list_queues", ExpiresIn=60)
    path = url.removeprefix(locked.url)
    headers = {"X_Amz_Target": "AmazonSQS.ListQueues", "Content_Type": "application/x-amz-json-1.0"}
    sns = locked.client("sns", "secret").generate_presigned_url("list_topics", ExpiresIn=60, HttpMethod="GET")
    answer, said = locked.request("GET", sns.removeprefix(locked.url))
    assert (answer.status, b"<ListTopicsResult>" in said) == (200, True)
    answer, said = locked.request("POST", path.replace("Signature=", "Signature=0"), b"{}", **headers)
    assert (answer.status, b"SignatureDoesNotMatch" in said) == (403, True)


def test_health_asks_for_no_signature(locked):
    assert locked.request("GET", "/health")[0].status == 200


CREDENTIAL = "AWS4-HMAC-SHA256 Credential={key}/20250101/local/sqs/aws4_request, SignedHeaders=host, Signature={sign}"


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, "MissingAuthenticationToken"),
        ({"authorization": "Basic dGVzdDp0ZXN0"}, "MissingAuthenticationToken"),
        ({"authorization": CREDENTIAL.format(key="other", sign="0" * 64)}, "InvalidClientTokenId"),
        ({"authorization": CREDENTIAL.format(key="test", sign="")}, "IncompleteSignature"),
        ({"authorization": CREDENTIAL.format(key="test", sign="0" * 64)}, "IncompleteSignature"),
        (
            {"authorization": CREDENTIAL.format(key="test", sign="0" * 64), "x-amz-date": "20250101T000000Z"},
            "SignatureDoesNotMatch",
        ),
    ],
)
def test_what_is_no_signature_is_refused(headers, code):
    request = Request("POST", b"/", b"", {name.encode(): value.encode() for name, value in headers.items()}, b"{}")
    with pytest.raises(RequestError) as caught:
        Verifier("test", "secret", clock=lambda: 1735689600).verify(request)
    assert caught.value.code == code


def test_a_signature_is_good_for_a_quarter_of_an_hour():
    verifier = Verifier("test", "secret", clock=lambda: 1735689600 + 901)
    headers = {
        b"authorization": CREDENTIAL.format(key="test", sign="0" * 64).encode(),
        b"x-amz-date": b"20250101T000000Z",
    }
    with pytest.raises(RequestError, match="expired or not yet current"):
        verifier.verify(Request("POST", b"/", b"", headers, b""))


@pytest.mark.parametrize(
    ("settings", "refusal"),
    [
        ({"host": "0.0.0.0"}, "--insecure"),
        ({"host": "broker.internal"}, "--insecure"),
        ({"access_key": "a"}, "belong together"),
        ({"host": "0.0.0.0", "insecure": True}, None),
        ({"host": "0.0.0.0", "access_key": "a", "secret_key": "b"}, None),
        ({"host": "::1"}, None),
        ({"host": "localhost"}, None),
    ],
)
def test_other_machines_need_the_key(settings, refusal):
    if refusal is None:
        Settings(**settings).check()
    else:
        with pytest.raises(ConfigurationError, match=refusal):
            Settings(**settings).check()
