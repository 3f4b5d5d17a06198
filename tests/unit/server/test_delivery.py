"""What is published reaches web servers, with their consent; mail and text messages reach the log."""

from base64 import b64decode
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from json import dumps, loads
from logging import INFO
from threading import Thread
from urllib.parse import urlsplit
from urllib.request import urlopen

import pytest
from botocore.exceptions import ClientError
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509 import load_pem_x509_certificate

from microcosm_pubsub.broker.broker import Broker
from microcosm_pubsub.server.delivery.deliverer import Deliverer
from microcosm_pubsub.server.delivery.sending import Failure, post
from microcosm_pubsub.server.delivery.signing import Signer
from microcosm_pubsub.server.serving import serve_broker
from microcosm_pubsub.server.settings import Settings
from tests.unit.server.conftest import Server
from tests.waiting import wait_until


class Hook:
    """A web server that notes what it gets, and answers as it is told."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.got: list[tuple[dict[str, str], str]] = []
        self.statuses: list[int] = []

    def of(self, kind: str) -> list[tuple[dict[str, str], str]]:
        return [(headers, body) for headers, body in self.got if headers["x-amz-sns-message-type"] == kind]

    def wait_for(self, kind: str, count: int = 1) -> list[tuple[dict[str, str], str]]:
        return wait_until(lambda: (found := self.of(kind)) if len(self.of(kind)) >= count else None)


@contextmanager
def run_hook():
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            status = hook.statuses.pop(0) if hook.statuses else 200
            hook.got.append(({name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args):
            pass

    web = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hook = Hook(f"http://127.0.0.1:{web.server_port}/events?a=b")
    thread = Thread(target=web.serve_forever)
    thread.start()
    try:
        yield hook
    finally:
        web.shutdown()
        thread.join()
        web.server_close()


@pytest.fixture
def hook():
    with run_hook() as hook:
        yield hook


class Clock:
    time = 1_900_000_000.0

    def __call__(self):
        return self.time


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def server(environment, tmp_path, clock):
    broker = Broker(f"sqlite:///{tmp_path / 'pubsub.db'}", clock=clock)
    with serve_broker(broker, Settings(port=0, allow_http_delivery=True)) as url:
        yield Server(broker, url)
    broker.close()


@pytest.fixture
def sns(server):
    return server.client("sns")


@pytest.fixture
def topic(sns):
    return sns.create_topic(Name="events")["TopicArn"]


def subscribe(sns, topic, hook, **attributes):
    """Subscribe a web server, confirm that as it is asked to, and return the ARN."""
    sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=hook.url, Attributes=attributes)
    body = loads(hook.wait_for("SubscriptionConfirmation")[-1][1])
    with urlopen(body["SubscribeURL"], timeout=10) as answer:
        assert b"<SubscriptionArn>arn:aws:sns:" in answer.read()
    (found,) = sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    return found["SubscriptionArn"]


def verify(body: dict, version: str) -> None:
    """Verify a signature as AWS's page says."""
    names = ["Message", "MessageId", "Subject", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"]
    text = "".join(f"{name}\n{body[name]}\n" for name in names if name in body)
    with urlopen(body["SigningCertURL"], timeout=10) as answer:
        key = load_pem_x509_certificate(answer.read()).public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    assert body["SignatureVersion"] == version
    algorithm = hashes.SHA256() if version == "2" else hashes.SHA1()
    key.verify(b64decode(body["Signature"]), text.encode(), padding.PKCS1v15(), algorithm)


def test_a_web_server_confirms_and_is_told(server, sns, topic, hook):
    answer = sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=hook.url)
    assert answer["SubscriptionArn"] == "pending confirmation"
    ((headers, text),) = hook.wait_for("SubscriptionConfirmation")
    asked = loads(text)
    assert headers["x-amz-sns-topic-arn"] == topic == asked["TopicArn"]
    assert asked["SubscribeURL"].startswith(f"{server.url}/?Action=ConfirmSubscription&TopicArn={topic}&Token=")
    verify(asked, "1")
    # until it consents, it gets nothing
    sns.publish(TopicArn=topic, Message="too early")
    (listed,) = sns.list_subscriptions()["Subscriptions"]
    assert listed["SubscriptionArn"] == "PendingConfirmation"
    assert sns.get_topic_attributes(TopicArn=topic)["Attributes"]["SubscriptionsPending"] == "1"

    arn = sns.confirm_subscription(TopicArn=topic, Token=asked["Token"])["SubscriptionArn"]
    known = sns.get_subscription_attributes(SubscriptionArn=arn)["Attributes"]
    assert (known["PendingConfirmation"], known["Endpoint"], known["Protocol"]) == ("false", hook.url, "http")
    attributes = {
        "kind": {"DataType": "String", "StringValue": "x"},
        "raw": {"DataType": "Binary", "BinaryValue": b"\0"},
    }
    sns.publish(TopicArn=topic, Message="größer\n", Subject="news", MessageAttributes=attributes)
    ((headers, text),) = hook.wait_for("Notification")
    said = loads(text)
    assert (said["Message"], said["Subject"]) == ("größer\n", "news")
    assert said["MessageAttributes"]["raw"] == {"Type": "Binary", "Value": "AA=="}
    assert headers["x-amz-sns-subscription-arn"] == arn
    assert headers["content-type"] == "text/plain; charset=UTF-8"
    verify(said, "1")
    sns.set_topic_attributes(TopicArn=topic, AttributeName="SignatureVersion", AttributeValue="2")
    sns.publish(TopicArn=topic, Message="again")
    verify(loads(hook.wait_for("Notification", 2)[1][1]), "2")


def test_who_unsubscribes_is_told_and_may_take_it_back(sns, topic, hook):
    subscribe(sns, topic, hook)
    sns.publish(TopicArn=topic, Message="one")
    said = loads(hook.wait_for("Notification")[0][1])
    with urlopen(said["UnsubscribeURL"], timeout=10):
        pass
    asked = loads(hook.wait_for("UnsubscribeConfirmation")[0][1])
    assert sns.list_subscriptions()["Subscriptions"] == []
    counts = sns.get_topic_attributes(TopicArn=topic)["Attributes"]
    assert (counts["SubscriptionsConfirmed"], counts["SubscriptionsDeleted"]) == ("0", "1")
    sns.publish(TopicArn=topic, Message="two")
    with urlopen(asked["SubscribeURL"], timeout=10):
        pass
    sns.publish(TopicArn=topic, Message="three")
    assert [loads(body)["Message"] for _, body in hook.wait_for("Notification", 2)] == ["one", "three"]


def test_filters_raw_delivery_and_the_message_of_the_protocol(sns, topic, hook):
    policy = {"requestPolicy": {"headerContentType": "application/json"}}
    attributes = {"RawMessageDelivery": "true", "DeliveryPolicy": dumps(policy)}
    subscribe(sns, topic, hook, **attributes, FilterPolicy=dumps({"kind": ["wanted"]}))
    wanted = {"kind": {"DataType": "String", "StringValue": "wanted"}}
    sns.publish(TopicArn=topic, Message="unwanted")
    texts = dumps({"default": "for all", "http": '{"for": "http"}'})
    sns.publish(TopicArn=topic, Message=texts, MessageStructure="json", MessageAttributes=wanted)
    sns.publish(TopicArn=topic, Message=dumps({"default": "1"}), MessageStructure="json", MessageAttributes=wanted)
    found = hook.wait_for("Notification", 2)
    assert {body for _, body in found} == {'{"for": "http"}', "1"}
    assert {headers["x-amz-sns-rawdelivery"] for headers, _ in found} == {"true"}
    assert {headers["content-type"] for headers, _ in found} == {"application/json"}


def test_what_fails_is_tried_again_as_its_policy_says_and_goes_to_the_dead_letters(server, sns, topic, hook, clock):
    sqs = server.client("sqs")
    dead = sqs.create_queue(QueueName="dead")["QueueUrl"]
    retries = {"minDelayTarget": 10, "maxDelayTarget": 30, "numRetries": 2}
    subscribe(
        *(sns, topic, hook),
        DeliveryPolicy=dumps({"healthyRetryPolicy": retries}),
        RedrivePolicy=dumps({"deadLetterTargetArn": "arn:aws:sqs:eu-west-1:000000000000:dead"}),
    )
    hook.statuses = [503, 429, 500]
    sns.publish(TopicArn=topic, Message="hello")
    for count, seconds in ((1, 10), (2, 30)):
        hook.wait_for("Notification", count)
        due_at = int((clock.time + seconds) * 1000)
        wait_until(lambda due_at=due_at: next_due(server.broker) == due_at)
        clock.time += seconds
    hook.wait_for("Notification", 3)
    letter = wait_until(lambda: sqs.receive_message(QueueUrl=dead).get("Messages"))[0]
    assert loads(letter["Body"])["Message"] == "hello"
    assert next_due(server.broker) is None


def next_due(broker):
    from microcosm_pubsub.broker.sns.deliveries import next_due_at

    return next_due_at(broker, ["http"])


def test_what_is_refused_for_good_is_dropped_with_a_warning(server, sns, topic, hook, caplog):
    subscribe(sns, topic, hook)
    hook.statuses = [404]
    sns.publish(TopicArn=topic, Message="hello")
    hook.wait_for("Notification")
    wait_until(lambda: "was dropped after 1 attempts" in caplog.text)
    assert "it answered 404" in caplog.text
    assert "hello" not in caplog.text


def test_mail_and_text_messages_are_logged(sns, topic, caplog):
    caplog.set_level(INFO, "microcosm_pubsub.server.delivery")
    for protocol, endpoint in (("email", "a@example.com"), ("email-json", "b@example.com"), ("sms", "+49 30 1234567")):
        assert sns.subscribe(TopicArn=topic, Protocol=protocol, Endpoint=endpoint)["SubscriptionArn"].startswith(topic)
    sns.publish(TopicArn=topic, Message="hello\nERROR all is lost", Subject="news")
    sns.publish(PhoneNumber="+15550100", Message="to one")
    wait_until(lambda: len(caplog.records) == 4)
    assert {record.getMessage() for record in caplog.records} == {
        r"email to a@example.com: 'news': 'hello\nERROR all is lost'",
        r"email-json to b@example.com: 'news': 'hello\nERROR all is lost'",
        r"sms to +49 30 1234567: 'news': 'hello\nERROR all is lost'",
        "sms to +15550100: 'to one'",
    }


@pytest.mark.parametrize(
    ("protocol", "endpoint", "fault"),
    [
        ("http", "https://127.0.0.1/", "must match the specified protocol"),
        ("http", "http://", "must match the specified protocol"),
        ("http", "http://127.0.0.1:x/", "must match the specified protocol"),
        ("http", "http://8.8.8.8/", "in no private network"),
        ("http", "http://169.254.169.254/latest", "in no private network"),
        ("http", "http://0.0.0.0/", "in no private network"),
        ("https", "https://[2001:db8::1]/", "in no private network"),
        ("https", "https://[::ffff:8.8.8.8]/", "in no private network"),
        ("email", "nobody", "Email address"),
        ("sms", "call me", "Invalid SMS endpoint"),
    ],
)
def test_endpoints_that_are_none(sns, topic, protocol, endpoint, fault):
    with pytest.raises(ClientError, match=fault):
        sns.subscribe(TopicArn=topic, Protocol=protocol, Endpoint=endpoint)


@pytest.mark.parametrize("protocol", ["http", "https"])
def test_web_servers_are_refused_unless_they_are_allowed(make_server, protocol):
    sns = make_server().client("sns")
    topic = sns.create_topic(Name="events")["TopicArn"]
    with pytest.raises(ClientError, match="--allow-http-delivery"):
        sns.subscribe(TopicArn=topic, Protocol=protocol, Endpoint=f"{protocol}://127.0.0.1/")


def test_fifo_topics_take_queues_alone(sns):
    topic = sns.create_topic(Name="events.fifo", Attributes={"FifoTopic": "true"})["TopicArn"]
    with pytest.raises(ClientError, match="FIFO topics take queues alone"):
        sns.subscribe(TopicArn=topic, Protocol="http", Endpoint="http://127.0.0.1/")


def test_a_wrong_token_confirms_nothing(sns, topic, hook):
    sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=hook.url)
    with pytest.raises(ClientError, match="Invalid parameter: Token"):
        sns.confirm_subscription(TopicArn=topic, Token="0" * 128)


def test_urls_need_no_signature_unless_it_was_asked_for(make_server, hook):
    server = make_server(allow_http_delivery=True, access_key="test", secret_key="secret")
    sns = server.client("sns", secret="secret")
    topic = sns.create_topic(Name="events")["TopicArn"]
    assert server.request("GET", f"/?Action=DeleteTopic&TopicArn={topic}")[0].status == 403
    sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=hook.url)
    token = loads(hook.wait_for("SubscriptionConfirmation")[0][1])["Token"]
    arn = sns.confirm_subscription(TopicArn=topic, Token=token, AuthenticateOnUnsubscribe="true")["SubscriptionArn"]
    answer, said = server.request("GET", f"/?Action=Unsubscribe&SubscriptionArn={arn}")
    assert (answer.status, b"AuthorizationError" in said) == (403, True)
    sns.unsubscribe(SubscriptionArn=arn)
    assert sns.list_subscriptions()["Subscriptions"] == []


def test_a_name_that_leads_to_a_stranger_is_not_called(monkeypatch):
    monkeypatch.setattr(
        "microcosm_pubsub.server.delivery.sending.getaddrinfo",
        lambda *args, **options: [(2, 1, 6, "", ("127.0.0.1", 80)), (2, 1, 6, "", ("93.184.216.34", 80))],
    )
    failure = post("http://hook.example/", b"", {})
    assert failure == Failure("hook.example is at 93.184.216.34, in no private network", is_final=True)


def test_who_is_not_there_is_tried_again(hook):
    port = urlsplit(hook.url).port
    assert post(f"http://user:secret@127.0.0.1:{port}/", b"", {"x-amz-sns-message-type": "a"}) is None
    assert hook.got[-1][0]["authorization"] == "Basic dXNlcjpzZWNyZXQ="
    failure = post("http://127.0.0.1:1/", b"", {})
    assert not failure.is_final
    # speaks no TLS
    assert not post(f"https://127.0.0.1:{port}/", b"", {}).is_final


def test_what_a_dead_server_had_taken_is_sent_by_another(tmp_path, clock):
    """As after SIGKILL: the row is there, and is due again after a while."""
    broker = Broker(f"sqlite:///{tmp_path / 'pubsub.db'}", clock=clock)
    sent = []

    def send(url, body, headers):
        sent.append((url, loads(body)["Message"]))

    deliverer = Deliverer(broker, "http://127.0.0.1:1", Signer(), send)
    broker.protocols.add("http")
    from microcosm_pubsub.broker.sns.deliveries import take_deliveries
    from microcosm_pubsub.broker.topic_client import BrokerTopicClient

    sns = BrokerTopicClient(broker)
    topic = sns.create_topic(Name="events")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="http", Endpoint="http://127.0.0.1:1/")
    assert len(take_deliveries(broker, ["http"], 10)) == 1
    assert take_deliveries(broker, ["http"], 10) == []
    deliverer.start()
    clock.time += 61
    wait_until(lambda: sent)
    deliverer.stop()
    assert "To confirm the subscription" in sent[0][1]
    assert next_due(broker) is None
    broker.close()
