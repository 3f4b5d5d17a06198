"""What a server answers, by both protocols, to clients that send what SDKs send and what they do not."""

import gzip
import json
from base64 import b64encode

import pytest


SCOPE = "AWS4-HMAC-SHA256 Credential=test/20300101/{region}/{service}/aws4_request, SignedHeaders=host, Signature=0"


def call_json(server, operation, parameters, **headers):
    body = parameters if isinstance(parameters, bytes) else json.dumps(parameters).encode()
    headers = {"X_Amz_Target": f"AmazonSQS.{operation}", "Content_Type": "application/x-amz-json-1.0", **headers}
    answer, text = server.request("POST", "/", body, **headers)
    return answer, json.loads(text)


def call_query(server, fields, path="/", **headers):
    headers = {"Content_Type": "application/x-www-form-urlencoded", **headers}
    answer, text = server.request("POST", path, fields.encode(), **headers)
    return answer, text.decode()


@pytest.fixture
def queue(server) -> str:
    _, answer = call_json(server, "CreateQueue", {"QueueName": "orders"})
    return answer["QueueUrl"]


def test_queue_urls_have_the_host_that_the_client_used(server):
    answer, said = call_json(server, "CreateQueue", {"QueueName": "orders"}, Host="broker.internal:4566")
    assert answer.status == 200
    assert answer.getheader("x-amzn-requestid")
    assert said == {"QueueUrl": "http://broker.internal:4566/000000000000/orders"}


def test_a_host_that_is_none_is_not_repeated(server):
    _, said = call_json(server, "CreateQueue", {"QueueName": "orders"}, Host='a"><script>')
    assert said["QueueUrl"] == f"{server.url}/000000000000/orders"


@pytest.mark.parametrize(
    ("headers", "region"),
    [
        ({"Authorization": SCOPE.format(region="ap-south-1", service="sqs")}, "ap-south-1"),
        ({"Host": "sqs.eu-north-1.localhost:4566"}, "eu-north-1"),
        ({"Host": "eu-north-1.queue.localhost"}, "eu-north-1"),
        ({}, "local"),
    ],
)
def test_arns_have_the_region_of_the_signature_or_the_host(server, queue, headers, region):
    _, said = call_json(server, "GetQueueAttributes", {"QueueUrl": queue, "AttributeNames": ["QueueArn"]}, **headers)
    assert said["Attributes"]["QueueArn"] == f"arn:aws:sqs:{region}:000000000000:orders"


def test_errors_have_the_code_of_the_query_protocol_in_a_header(server):
    answer, said = call_json(server, "SendMessage", {"QueueUrl": "http://x/0/nowhere", "MessageBody": "a"})
    assert answer.status == 400
    assert answer.getheader("x-amzn-query-error") == "AWS.SimpleQueueService.NonExistentQueue;Sender"
    assert said == {
        "__type": "com.amazonaws.sqs#QueueDoesNotExist",
        "message": "The specified queue does not exist.",
    }


@pytest.mark.parametrize(
    ("operation", "parameters", "code"),
    [
        ("SendMessage", b"{", "SerializationException"),
        ("SendMessage", b"[]", "SerializationException"),
        ("SendMessage", b"[" * 100_000, "SerializationException"),
        ("SendMessage", {"MessageBody": "a"}, "MissingParameter"),
        ("SendMessage", {"QueueUrl": "orders", "MessageBody": 5}, "InvalidParameterValue"),
        ("SendMessage", {"QueueUrl": "orders", "MessageBody": "a", "MessageAttributes": []}, "InvalidParameterValue"),
        ("Fly", {}, "UnknownOperationException"),
    ],
)
def test_what_cannot_be_read_is_refused(server, queue, operation, parameters, code):
    answer, said = call_json(server, operation, parameters)
    assert answer.status == 400
    assert said["__type"].endswith(f"#{code}")


def test_half_a_surrogate_pair_is_no_text(server, queue):
    _, said = call_json(server, "SendMessage", b'{"QueueUrl": "orders", "MessageBody": "\\ud800"}')
    assert said["__type"].endswith("#InvalidMessageContents")


HALF = "\ud800"


@pytest.mark.parametrize(
    ("operation", "parameters", "said"),
    [
        (
            "SendMessage",
            {"MessageBody": "a", "MessageAttributes": {"a": {"DataType": "String", "StringValue": HALF}}},
            "must be text without halves of surrogate pairs",
        ),
        (
            "SendMessage",
            {"MessageBody": "a", "MessageAttributes": {"a": {"DataType": f"String.{HALF}", "StringValue": "a"}}},
            "must be text without halves of surrogate pairs",
        ),
        (
            "SendMessage",
            {"MessageBody": "a", "MessageAttributes": {HALF: {"DataType": "String", "StringValue": "a"}}},
            r"name '\ud800' can only have letters",
        ),
        ("DeleteMessage", {"ReceiptHandle": HALF}, r'handle "\ud800" is not a valid receipt handle'),
    ],
)
def test_half_a_surrogate_pair_is_told_as_what_it_is(server, queue, operation, parameters, said):
    answer, refusal = call_json(server, operation, {"QueueUrl": queue, **parameters})
    assert (answer.status, said in refusal["message"]) == (400, True)


def test_an_attempt_may_have_any_text_for_an_id(server, queue):
    answer, _ = call_json(server, "ReceiveMessage", {"QueueUrl": queue, "ReceiveRequestAttemptId": HALF})
    assert answer.status == 200


@pytest.mark.parametrize(
    ("operation", "good", "bad"),
    [
        (
            "SendMessageBatch",
            {"MessageBody": "b"},
            {"MessageBody": "b", "MessageAttributes": {HALF: {"DataType": "x"}}},
        ),
        ("SendMessageBatch", {"MessageBody": "b"}, {"MessageBody": "b", "MessageGroupId": HALF}),
        ("DeleteMessageBatch", {"ReceiptHandle": None}, {"ReceiptHandle": HALF}),
        (
            "ChangeMessageVisibilityBatch",
            {"ReceiptHandle": None, "VisibilityTimeout": 5},
            {"ReceiptHandle": None},
        ),
    ],
)
def test_a_bad_entry_does_no_harm_to_the_others_of_its_batch(server, queue, operation, good, bad):
    call_json(server, "SendMessage", {"QueueUrl": queue, "MessageBody": "a"})
    _, received = call_json(server, "ReceiveMessage", {"QueueUrl": queue})
    handle = {"ReceiptHandle": received["Messages"][0]["ReceiptHandle"]}
    entries = [
        {"Id": name, **entry, **(handle if entry.get("ReceiptHandle", HALF) is None else {})}
        for name, entry in (("good", good), ("bad", bad))
    ]
    answer, said = call_json(server, operation, {"QueueUrl": queue, "Entries": entries})
    assert answer.status == 200
    assert [entry["Id"] for entry in said["Successful"]] == ["good"]
    assert [entry["Id"] for entry in said["Failed"]] == ["bad"]


def test_what_the_model_does_not_know_and_null_are_nothing(server, queue):
    answer, _ = call_json(
        server, "SendMessage", {"QueueUrl": queue, "MessageBody": "a", "DelaySeconds": None, "NewThing": 1}
    )
    assert answer.status == 200


def test_binary_values_are_base64(server, queue):
    attribute = {"DataType": "Binary", "BinaryValue": b64encode(b"\0\xff").decode()}
    call_json(server, "SendMessage", {"QueueUrl": queue, "MessageBody": "a", "MessageAttributes": {"b": attribute}})
    _, said = call_json(server, "ReceiveMessage", {"QueueUrl": queue, "MessageAttributeNames": ["All"]})
    assert said["Messages"][0]["MessageAttributes"]["b"] == attribute
    attribute["BinaryValue"] = "not base64"
    _, said = call_json(
        server, "SendMessage", {"QueueUrl": queue, "MessageBody": "a", "MessageAttributes": {"b": attribute}}
    )
    assert said["__type"].endswith("#SerializationException")


def test_bodies_may_be_gzip_or_in_chunks(server, queue):
    body = gzip.compress(json.dumps({"QueueUrl": queue, "MessageBody": "packed"}).encode())
    answer, _ = call_json(server, "SendMessage", body, Content_Encoding="gzip")
    assert answer.status == 200
    parts = [b'{"QueueUrl": "orders", ', b'"MessageBody": "chunks"}']
    answer, _ = server.request("POST", "/", iter(parts), X_Amz_Target="AmazonSQS.SendMessage")
    assert answer.status == 200
    _, said = call_json(server, "ReceiveMessage", {"QueueUrl": queue, "MaxNumberOfMessages": 10})
    assert [message["Body"] for message in said["Messages"]] == ["packed", "chunks"]


def test_a_bomb_of_gzip_is_refused(server, queue):
    bomb = gzip.compress(bytes(100 * 1024 * 1024))
    answer, _ = server.request("POST", "/", bomb, X_Amz_Target="AmazonSQS.SendMessage", Content_Encoding="gzip")
    assert answer.status == 413


def test_a_client_that_expects_to_be_told_to_continue_is(server, queue):
    body = json.dumps({"QueueUrl": queue, "MessageBody": "a"}).encode()
    head = (
        f"POST / HTTP/1.1\r\nHost: a\r\nX-Amz-Target: AmazonSQS.SendMessage\r\nContent-Length: {len(body)}\r\n"
        "Expect: 100-continue\r\nConnection: close\r\n\r\n"
    )
    said = server.send_raw(head.encode() + body)
    assert said.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")


def test_the_query_protocol_of_sqs(server):
    fields = "Action=CreateQueue&Version=2012-11-05&QueueName=old&Attribute.1.Name=DelaySeconds&Attribute.1.Value=0"
    _, said = call_query(server, fields)
    assert f"<CreateQueueResult><QueueUrl>{server.url}/000000000000/old</QueueUrl></CreateQueueResult>" in said
    batch = "Action=SendMessageBatch&Version=2012-11-05"
    for index, body in enumerate(["a%26%3C", "b%0D%0A"], start=1):
        entry = f"SendMessageBatchRequestEntry.{index}"
        batch += f"&{entry}.Id={index}&{entry}.MessageBody={body}"
        batch += f"&{entry}.MessageAttribute.1.Name=n&{entry}.MessageAttribute.1.Value.DataType=Number"
        batch += f"&{entry}.MessageAttribute.1.Value.StringValue={index}"
    _, said = call_query(server, batch, path="/000000000000/old")
    assert said.count("<SendMessageBatchResultEntry><Id>") == 2
    fields = "Action=ReceiveMessage&Version=2012-11-05&MaxNumberOfMessages=10&AttributeName.1=ApproximateReceiveCount"
    _, said = call_query(server, f"{fields}&MessageAttributeName.1=All", path="/000000000000/old")
    assert "<Body>a&amp;&lt;</Body>" in said
    assert "<Body>b&#13;\n</Body>" in said
    assert "<Attribute><Name>ApproximateReceiveCount</Name><Value>1</Value></Attribute>" in said
    assert "<MessageAttribute><Name>n</Name><Value><StringValue>1</StringValue><DataType>Number</DataType>" in said


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ("", 400, "MissingAction"),
        ("Action=Fly&Version=2012-11-05", 400, "InvalidAction"),
        ("Action=CreatePlatformEndpoint&Version=2010-03-31", 400, "InvalidAction"),
        ("Action=SendMessage&Version=2012-11-05&MessageBody=a", 400, "MissingParameter"),
        ("Action=SendMessage&QueueUrl=nowhere&MessageBody=a", 400, "AWS.SimpleQueueService.NonExistentQueue"),
        ("Action=ReceiveMessage&QueueUrl=q&MaxNumberOfMessages=x", 400, "MalformedInput"),
        ("Action=SendMessage&QueueUrl.1=q&MessageBody=a", 400, "MalformedInput"),
        ("Action=Publish&Message=a&TopicArn=arn:aws:sns:local:000000000000:none", 404, "NotFound"),
        ("Action=Publish", 400, "ValidationError"),
        ("Action=%FF%FE", 400, "MalformedQueryString"),
        ("&".join(f"a{index}=" for index in range(6000)), 400, "MalformedQueryString"),
        (f"Action=Publish&Message{'.1' * 5000}=a", 400, "MalformedInput"),
    ],
)
def test_what_a_form_cannot_say_is_refused(server, fields, status, code):
    answer, said = call_query(server, fields)
    assert answer.status == status
    assert f"<Code>{code}</Code>" in said


def test_an_operation_that_the_broker_lacks_says_where_to_look(server):
    _, said = call_query(server, "Action=CreatePlatformEndpoint&Version=2010-03-31")
    assert "The broker does not have CreatePlatformEndpoint. What it has stands in" in said


def test_who_calls_is_the_account(server):
    said = server.client("sts").get_caller_identity()
    assert (said["Account"], said["Arn"]) == ("000000000000", "arn:aws:iam::000000000000:root")


def test_health(server):
    answer, said = server.request("GET", "/health")
    assert (answer.status, json.loads(said)["status"]) == (200, "ok")
    answer, said = server.request("HEAD", "/health")
    assert (answer.status, said) == (200, b"")


def test_an_unknown_method_is_refused(server):
    answer, _ = server.request("PUT", "/")
    assert answer.status == 405
