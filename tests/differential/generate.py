"""
Calls and replies by chance, the usual and the unusual.
"""

from base64 import b64encode
from json import dumps
from random import Random
from typing import Any
from xml.sax.saxutils import escape

from tests.differential.server import Reply


TEXTS = ["abcXYZ019-_.~", ' "{}[]:,/\\', "%&=+?#;@!$'()*", "äöü€😀\u2028", "\t\n\r", "<>&\"'", "\x00\x1f\x7f"]

TOPIC = "arn:aws:sns:us-east-1:000000000000:topic"


def make_text(random: Random, longest: int = 60) -> str:
    alphabet = "".join(random.sample(TEXTS, random.randint(1, len(TEXTS))))
    return "".join(random.choices(alphabet, k=random.choice([0, 1, 5, longest])))


def make_printable(random: Random) -> str:
    """Text that XML may hold."""
    return make_text(random).translate(dict.fromkeys([0, 0x1F, 0x0D]))


def make_attributes(random: Random) -> dict[str, Any]:
    attributes: dict[str, Any] = {}
    for index in range(random.randint(0, 3)):
        value: dict[str, Any] = {"DataType": "String", "StringValue": make_text(random)}
        if random.random() < 0.15:
            value = {"DataType": "Binary", "BinaryValue": random.randbytes(5)}
        attributes[f"name-{index}"] = value
    return attributes


def choose(random: Random, **members: Any) -> dict[str, Any]:
    """Some of the members, in some order."""
    names = random.sample(list(members), random.randint(0, len(members)))
    return {name: members[name] for name in names}


def make_entries(random: Random, make_members: Any) -> list[dict[str, Any]]:
    return [{"Id": make_text(random, 8) or str(index), **make_members()} for index in range(random.randint(0, 10))]


def make_parameters(random: Random, operation: str, queue_url: str) -> dict[str, Any]:
    """Make the parameters of a call, now and then such as are refused."""
    if operation == "receive_message":
        parameters = {
            "QueueUrl": queue_url,
            **choose(
                random,
                MaxNumberOfMessages=random.randint(0, 11),
                WaitTimeSeconds=random.randint(0, 20),
                VisibilityTimeout=random.choice([0, 30, 2**70]),
                AttributeNames=["All"],
                MessageSystemAttributeNames=["ApproximateReceiveCount"],
                MessageAttributeNames=[make_text(random)],
                ReceiveRequestAttemptId=make_text(random),
            ),
        }
    elif operation == "delete_message_batch":
        parameters = {
            "QueueUrl": queue_url,
            "Entries": make_entries(random, lambda: {"ReceiptHandle": make_text(random)}),
        }
    elif operation == "change_message_visibility_batch":
        parameters = {
            "QueueUrl": queue_url,
            "Entries": make_entries(
                random, lambda: {"ReceiptHandle": make_text(random), "VisibilityTimeout": random.randint(0, 43200)}
            ),
        }
    elif operation == "send_message_batch":
        parameters = {
            "QueueUrl": queue_url,
            "Entries": make_entries(
                random,
                lambda: {
                    "MessageBody": make_text(random, 300),
                    **choose(
                        random,
                        DelaySeconds=random.randint(0, 900),
                        MessageAttributes=make_attributes(random),
                        MessageGroupId=make_text(random),
                    ),
                },
            ),
        }
    elif operation == "publish":
        parameters = {
            "TopicArn": TOPIC,
            "Message": make_text(random, 300),
            **choose(
                random,
                Subject=make_text(random),
                MessageAttributes=make_attributes(random),
                MessageGroupId=make_text(random),
                MessageStructure="json",
            ),
        }
    else:
        parameters = {
            "TopicArn": TOPIC,
            "PublishBatchRequestEntries": make_entries(
                random,
                lambda: {
                    "Message": make_text(random, 300),
                    **choose(random, MessageAttributes=make_attributes(random), Subject=make_text(random)),
                },
            ),
        }
    return spoil(random, parameters) if random.random() < 0.1 else parameters


class Text(str):
    """Is a text, but none that is known."""


def spoil(random: Random, parameters: dict[str, Any]) -> dict[str, Any]:
    """Make parameters unusual."""
    name = random.choice(list(parameters))
    replaced: Any = random.choice(
        [None, 7, True, "", b"x", 1.5, [], ["x"], ("x",), {}, {"Unknown": 1}, "\ud800", Text("t")]
    )
    return random.choice(
        [
            lambda: {**parameters, name: replaced},
            lambda: {key: value for key, value in parameters.items() if key != name},
            lambda: {**parameters, "Unknown": "x"},
        ]
    )()


def make_http(
    random: Random, content: bytes, status: str = "200 OK", headers: dict[str, str] | None = None, length: Any = None
) -> bytes:
    fields = {
        "x-amzn-RequestId": f"request-{random.randint(0, 10**9)}",
        "Date": "Fri, 20 Nov 2026 12:00:00 GMT",
        "Content-Type": "application/x-amz-json-1.0",
        "Content-Length": str(len(content) if length is None else length),
        **(headers or {}),
    }
    if random.random() < 0.2:
        fields = {name.lower(): value for name, value in fields.items()}
    if random.random() < 0.2:
        fields["connection"] = "keep-alive"
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items() if value is not None)
    return f"HTTP/1.1 {status}\r\n{head}\r\n".encode("latin-1") + content


def make_content(random: Random, operation: str) -> bytes:
    """Make the body of a good answer."""
    if operation == "receive_message":
        return dump_json(random, make_received(random))
    if operation.startswith("publish"):
        return make_published(random, operation)
    entries = [make_settled(random, index) for index in range(random.randint(0, 10))]
    return dump_json(random, choose(random, Successful=entries[::2], Failed=entries[1::2], Unknown="x"))


def dump_json(random: Random, value: Any) -> bytes:
    return dumps(value, ensure_ascii=random.random() < 0.5, indent=random.choice([None, 1])).encode()


def make_received(random: Random) -> dict[str, Any]:
    messages = [
        {
            "MessageId": f"id-{index}",
            "ReceiptHandle": make_text(random),
            "MD5OfBody": random.randbytes(16).hex(),
            "Body": make_text(random, 300),
            **choose(
                random,
                Attributes={"ApproximateReceiveCount": "1", "SenderId": make_text(random)},
                MD5OfMessageAttributes=random.choice(["x", None]),
                MessageAttributes={
                    "text": {"DataType": "String", "StringValue": make_text(random)},
                    "bytes": {"DataType": "Binary", "BinaryValue": b64encode(random.randbytes(9)).decode()},
                },
                Unknown={"x": [1, None]},
            ),
        }
        for index in range(random.randint(0, 10))
    ]
    return random.choice([{"Messages": messages}, {"Messages": messages}, {}, {"Messages": None}])


def make_settled(random: Random, index: int) -> dict[str, Any]:
    return {
        "Id": str(index),
        **choose(
            random,
            MessageId=make_text(random),
            MD5OfMessageBody="x",
            SenderFault=random.choice([True, False]),
            Code=make_text(random),
            Message=make_text(random),
        ),
    }


def make_published(random: Random, operation: str) -> bytes:
    action = "Publish" if operation == "publish" else "PublishBatch"
    space = random.choice(["", "\n  "])

    def element(name: str, content: str) -> str:
        return f"{space}<{name}>{content}</{name}>" if content or random.random() < 0.5 else f"{space}<{name}/>"

    def text(name: str) -> str:
        return element(name, escape(make_printable(random)))

    if operation == "publish":
        result = text("MessageId") + (text("SequenceNumber") if random.random() < 0.3 else "")
    else:
        good = "".join(element("member", text("Id") + text("MessageId")) for _ in range(random.randint(0, 10)))
        bad = "".join(
            element("member", text("Id") + text("Code") + element("SenderFault", random.choice(["true", "false"])))
            for _ in range(random.randint(0, 2))
        )
        result = element("Successful", good) + element("Failed", bad) + random.choice(["", "<Unknown>x</Unknown>"])
    metadata = element("ResponseMetadata", text("RequestId")) if random.random() < 0.95 else ""
    xmlns = random.choice([' xmlns="http://sns.amazonaws.com/doc/2010-03-31/"', ""])
    body = f"<{action}Response{xmlns}>{element(f'{action}Result', result)}{metadata}</{action}Response>"
    return body.encode()


JSON_ERRORS = [
    ("400 Bad Request", "com.amazonaws.sqs#QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue;Sender"),
    ("400 Bad Request", "com.amazonaws.sqs#QueueDoesNotExist", None),
    ("400 Bad Request", "com.amazonaws.sqs#RequestThrottled", "RequestThrottled;Sender"),
    ("400 Bad Request", "com.amazonaws.sqs#OverLimit", "OverLimit;Sender"),
    ("400 Bad Request", "ThrottlingException", None),
    ("403 Forbidden", "com.amazon.coral.service#AccessDeniedException", None),
    ("403 Forbidden", "InvalidSignatureException", None),
    ("403 Forbidden", "com.amazon.coral.service#ExpiredTokenException", "odd"),
    ("500 Internal Server Error", "InternalFailure", None),
    ("503 Service Unavailable", "ServiceUnavailable", "ServiceUnavailable;Receiver"),
]

XML_ERRORS = [
    ("404 Not Found", "NotFound"),
    ("403 Forbidden", "AuthorizationError"),
    ("403 Forbidden", "SignatureDoesNotMatch"),
    ("400 Bad Request", "InvalidParameter"),
    ("400 Bad Request", "Throttled"),
    ("429 Too Many Requests", "Throttling"),
    ("500 Internal Server Error", "InternalError"),
    ("503 Service Unavailable", "ServiceUnavailable"),
]


def make_error(random: Random, operation: str, **headers: str) -> bytes:
    """Make an error of the service."""
    if operation.startswith("publish"):
        status, code = random.choice(XML_ERRORS)
        message = escape(make_printable(random))
        body = (
            f'<ErrorResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><Error><Type>Sender</Type>'
            f"<Code>{code}</Code><Message>{message}</Message></Error><RequestId>r-1</RequestId></ErrorResponse>"
        )
        return make_http(random, body.encode(), status, {"Content-Type": "text/xml", **headers})
    status, code, query_code = random.choice(JSON_ERRORS)
    body = dumps({"__type": code, random.choice(["message", "Message"]): make_text(random)})
    if query_code:
        headers["x-amzn-query-error"] = query_code
    return make_http(random, body.encode(), status, headers)


def make_reply(random: Random, operation: str) -> Reply:
    """Make a reply, good in two of three cases."""
    good = make_content(random, operation)
    if random.random() < 0.6:
        return Reply(make_http(random, good), kind="good")
    kind = random.choice(list(KINDS))
    made = KINDS[kind](random, operation, good)
    return Reply(made.content, made.then, kind)


def make_chunked(random: Random, operation: str, good: bytes) -> Reply:
    middle = len(good) // 2
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (good[:middle], good[middle:]) if part)
    content = make_http(random, b"", headers={"Transfer-Encoding": "chunked", "Content-Length": None})
    return Reply(content + chunks + random.choice([b"0\r\n\r\n", b"zz\r\n"]), "close")


def raw(content: bytes, then: str = "close") -> Any:
    return lambda random, operation, good: Reply(content, then)


def http(then: str = "keep", **options: Any) -> Any:
    return lambda random, operation, good: Reply(make_http(random, good, **options), then)


#: Replies that are not good, by what is wrong with them.
KINDS = {
    "service error": lambda random, operation, good: Reply(make_error(random, operation)),
    "service error, last words": lambda random, operation, good: Reply(
        make_error(random, operation, Connection="close"), "close"
    ),
    "chunked": make_chunked,
    "truncated": lambda random, operation, good: Reply(make_http(random, good, length=len(good) + 7), "close"),
    "truncated by a reset": lambda random, operation, good: Reply(make_http(random, good, length=10**6), "reset"),
    "too long": lambda random, operation, good: Reply(make_http(random, good + b"extra" * 9, length=len(good))),
    "no length": http("close", headers={"Content-Length": None}),
    "wrong length": http("close", length="seven"),
    "endless length": http("close", length="9" * 5000),
    "enormous length": http("close", length="9" * 12),
    "negative length": http("close", length="-7"),
    "two lengths": lambda random, operation, good: Reply(
        make_http(random, good, headers={"Content-length": f"{len(good)}"})
    ),
    "other content type": http(headers={"Content-Type": "text/html"}),
    "said close": http("close", headers={"Connection": "close"}),
    "odd header": http(headers={"X-Odd": "  a\tb\xe4  "}),
    "empty header": http(headers={"X-Empty": ""}),
    "repeated header": http(headers={"X-Twice": "a\r\nX-Twice: b"}),
    "folded header": http(headers={"X-Folded": "a\r\n b"}),
    "long header": http("close", headers={"X-Long": "x" * 70_000}),
    "many headers": http("close", headers={f"X-{index}": "x" for index in range(120)}),
    "redirect": lambda random, operation, good: Reply(
        make_http(random, b"", "307 Temporary Redirect", {"Location": "http://127.0.0.1:1/"})
    ),
    "moved": lambda random, operation, good: Reply(make_http(random, good, "301 Moved Permanently")),
    "created": http(status="201 Created"),
    "nothing to say": lambda random, operation, good: Reply(make_http(random, b"", "204 No Content")),
    "only empty": lambda random, operation, good: Reply(make_http(random, b"")),
    "page": lambda random, operation, good: Reply(make_http(random, b"<html>Sorry</html>", "502 Bad Gateway")),
    "empty error": lambda random, operation, good: Reply(make_http(random, b"", "500 Internal Server Error")),
    "no JSON": lambda random, operation, good: Reply(make_http(random, good[:-1] + b"\xff")),
    "half": lambda random, operation, good: Reply(make_http(random, good[: len(good) // 2])),
    "other JSON": lambda random, operation, good: Reply(
        make_http(random, random.choice([b"[]", b"null", b'"x"', b"7", b"{}", b'{"Messages": {"a": 1}}', b"<a/>"]))
    ),
    "wrong types": lambda random, operation, good: Reply(
        make_http(random, b'{"Messages": [{"Body": 5, "MessageId": 12345678901234567890123}], "Failed": []}')
    ),
    "deep": lambda random, operation, good: Reply(make_http(random, b'{"Messages": ' + b"[" * 200 + b"]" * 200 + b"}")),
    "continue": lambda random, operation, good: Reply(b"HTTP/1.1 100 Continue\r\n\r\n" + make_http(random, good)),
    "old": lambda random, operation, good: Reply(make_http(random, good).replace(b"HTTP/1.1", b"HTTP/1.0"), "close"),
    "nothing": raw(b""),
    "reset": raw(b"", "reset"),
    "half a head": raw(b"HTTP/1.1 200 OK\r\nContent-"),
    "no HTTP": raw(b"220 mail.example.com ESMTP\r\n\r\n"),
    "noise": raw(bytes(range(256)) * 4),
}
