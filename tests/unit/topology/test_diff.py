"""
What there has to be, beside what there is: over other engines and the broker, by the commands.
"""

import sys
from itertools import count
from json import dumps, loads

import pytest

from microcosm_pubsub import created
from microcosm_pubsub.broker.factory import open_broker
from microcosm_pubsub.cli.main import main
from microcosm_pubsub.topology.admission import admits
from tests.engines import Engine


pytestmark = pytest.mark.usefixtures("shared_models")

NUMBERS = count(1)

PROGRAM = """
from microcosm_pubsub import ConsumerDaemon, created, handles


@handles(created("order"))
def take(content):
    return True


@handles(created("parcel"))
def take_parcel(content):
    return True


class OrdersDaemon(ConsumerDaemon):
    name = "orders"
"""


class Place:
    """A program, and where its queues and topics are."""

    def __init__(self, program, sqs, sns, flags, is_broker):
        number = next(NUMBERS)
        self.program, self.sqs, self.sns, self.flags, self.is_broker = program, sqs, sns, flags, is_broker
        self.queue, self.dead, self.topic = f"depot-{number}", f"depot-{number}-dead-letters", f"news-{number}"

    def attributes(self, name):
        url = self.sqs.get_queue_url(QueueName=name)["QueueUrl"]
        return self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]

    def set(self, name, **attributes):
        url = self.sqs.get_queue_url(QueueName=name)["QueueUrl"]
        self.sqs.set_queue_attributes(QueueUrl=url, Attributes=attributes)

    def subscription(self):
        (topic_arn,) = [
            each["TopicArn"] for each in self.sns.list_topics()["Topics"] if each["TopicArn"].endswith(f":{self.topic}")
        ]
        (found,) = self.sns.list_subscriptions_by_topic(TopicArn=topic_arn)["Subscriptions"]
        return found["SubscriptionArn"]


@pytest.fixture(params=["broker", "moto"])
def place(request, tmp_path, monkeypatch, own_declarations):
    name = f"diff_program_{next(NUMBERS)}"
    (tmp_path / f"{name}.py").write_text(PROGRAM)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", ["", *sys.path])
    monkeypatch.setenv("COLUMNS", "250")
    program = f"{name}:OrdersDaemon"
    clients = None
    if request.param == "broker":
        clients = open_broker(f"sqlite:///{tmp_path}/pubsub.db")
        flags = ["--broker-url", f"sqlite:///{tmp_path}/pubsub.db"]
        made = Place(program, clients.queue_client, clients.topic_client.client, flags, True)
    else:
        engine: Engine = request.getfixturevalue(request.param)
        made = Place(program, engine.sqs, engine.sns, ["--endpoint-url", engine.url], False)
    made.region, made.account = ("local", "000000000000") if made.is_broker else ("us-east-1", "123456789012")
    if request.param == "ministack":
        made.account = "000000000000"
    monkeypatch.setenv("ORDERS__SQS_CONSUMER__SQS_QUEUE_URL", made.queue)
    monkeypatch.setenv("ORDERS__SNS_TOPIC_ARNS__DEFAULT", f"arn:aws:sns:{made.region}:{made.account}:{made.topic}")
    yield made
    if clients is not None:
        clients.close()


@pytest.fixture
def run(place, capsys):
    """Run `pubsub topology`, and return its exit code and what it prints, read if it is JSON."""

    def run_it(command, *flags):
        with pytest.raises(SystemExit) as raised:
            main(["topology", command, place.program, *place.flags, *flags])
        # beside what engines in this process log
        lines = [line for line in capsys.readouterr().out.splitlines() if "werkzeug" not in line]
        return raised.value.code, loads(lines[-1]) if "--json" in flags and lines else "\n".join(lines)

    return run_it


def states(found):
    return {(item["kind"], item["name"].split("-")[0]): item["state"] for item in found["items"]}


def changes(found):
    return {
        change["attribute"]: (change["old"], change["new"]) for item in found["items"] for change in item["changes"]
    }


@pytest.mark.parametrize("place", ["broker", "moto", "ministack"], indirect=True)
def test_what_is_missing_is_made_once(place, run):
    code, found = run("diff", "--json")
    assert (code, {item["state"] for item in found["items"]}) == (1, {"missing"})
    assert [item["kind"] for item in found["items"]] == ["topic", "queue", "queue", "subscription"]

    # a plan changes nothing
    code, printed = run("apply")
    assert code == 1
    assert place.dead in printed
    assert run("diff", "--json")[1] == found

    code, found = run("apply", "--yes", "--json")
    assert code == 0
    assert [line.partition(" ")[0] for line in found["done"]] == ["created"] * 4
    code, found = run("diff", "--json")
    assert (code, {item["state"] for item in found["items"]}) == (0, {"there"}), found
    assert run("apply", "--yes", "--json")[1]["done"] == []

    # what was made does what it is for
    policy = loads(place.attributes(place.queue)["RedrivePolicy"])
    assert policy["deadLetterTargetArn"].endswith(place.dead)
    if not place.is_broker:
        assert "aws:SourceArn" in place.attributes(place.queue)["Policy"]
    found = place.sns.get_subscription_attributes(SubscriptionArn=place.subscription())["Attributes"]
    assert loads(found["FilterPolicy"])["media_type"] == [created("order"), created("parcel")]


@pytest.mark.parametrize("place", ["broker"], indirect=True)
@pytest.mark.parametrize("suffix", ["", ".fifo"])
def test_what_a_daemon_makes_in_the_broker_is_what_was_planned(place, run, monkeypatch, suffix):
    topic = f"arn:aws:sns:{place.region}:{place.account}:{place.topic}{suffix}"
    monkeypatch.setenv("ORDERS__SQS_CONSUMER__SQS_QUEUE_URL", f"{place.queue}{suffix}")
    monkeypatch.setenv("ORDERS__SNS_TOPIC_ARNS__DEFAULT", topic)
    monkeypatch.setenv("ORDERS__SQS_CONSUMER__WAIT_SECONDS", "0")
    with pytest.raises(SystemExit):
        main(["run", place.program, *place.flags, "--drain"])
    assert run("diff")[0] == 0


def test_what_differs_is_told_and_changed(place, run):
    run("apply", "--yes", "--json")
    place.set(place.queue, VisibilityTimeout="77", DelaySeconds="9")
    place.set(place.dead, MessageRetentionPeriod="60")
    policy = {"deadLetterTargetArn": place.attributes(place.dead)["QueueArn"], "maxReceiveCount": 1}
    place.set(place.queue, RedrivePolicy=dumps(policy))
    place.sns.set_subscription_attributes(
        SubscriptionArn=place.subscription(), AttributeName="FilterPolicy", AttributeValue=dumps({"media_type": ["x"]})
    )

    code, found = run("diff", "--json")
    assert code == 1
    told = changes(found)
    assert told.pop("FilterPolicy")[0] == dumps({"media_type": ["x"]})
    # which moto forgets when other attributes are set
    told.pop("Policy", None)
    assert told == {
        "VisibilityTimeout": ("77", "30"),
        "MessageRetentionPeriod": ("60", "1209600"),
        "RedrivePolicy": (f"to {place.dead} after 1 receives", f"to {place.dead} after 5 receives"),
    }
    _, printed = run("apply")
    assert "VisibilityTimeout: 77 → 30" in printed
    assert place.attributes(place.queue)["VisibilityTimeout"] == "77"

    code, printed = run("apply", "--yes")
    assert code == 0
    assert f"changed queue {place.dead} (MessageRetentionPeriod: 60 → 1209600)" in printed
    assert run("diff", "--json")[0] == 0
    # what nobody plans stays
    assert place.attributes(place.queue)["DelaySeconds"] == "9"


def test_a_filter_of_bodies_becomes_one_of_attributes(place, run):
    run("apply", "--yes", "--json")
    arn = place.subscription()
    for name, value in (("FilterPolicyScope", "MessageBody"), ("FilterPolicy", dumps({"mediaType": ["x"]}))):
        place.sns.set_subscription_attributes(SubscriptionArn=arn, AttributeName=name, AttributeValue=value)

    assert set(changes(run("diff", "--json")[1])) == {"FilterPolicyScope", "FilterPolicy"}
    assert run("apply", "--yes", "--json")[0] == 0
    assert run("diff", "--json")[0] == 0


def test_other_statements_of_a_policy_stay(place, run):
    if place.is_broker:
        pytest.skip("the broker asks for no rights")
    run("apply", "--yes", "--json")
    other = {"Sid": "Other", "Effect": "Allow", "Principal": "*", "Action": "sqs:ReceiveMessage", "Resource": "*"}
    neighbour = f"arn:aws:sns:{place.region}:{place.account}:neighbour"
    let_in = {"Sid": "TopicsMaySend", **ALLOW, "Condition": {"ArnEquals": {"aws:SourceArn": neighbour}}}
    place.set(place.queue, Policy=dumps({"Version": "2012-10-17", "Id": "ours", "Statement": [other, let_in]}))

    assert changes(run("diff", "--json")[1]) == {"Policy": (None, f"lets {place.topic} send")}
    assert run("apply", "--yes", "--json")[0] == 0
    policy = loads(place.attributes(place.queue)["Policy"])
    assert policy["Id"] == "ours"
    first, second = policy["Statement"]
    assert first == other
    # who was let in before sends on
    topic_arn = f"arn:aws:sns:{place.region}:{place.account}:{place.topic}"
    assert second["Condition"] == {"ArnEquals": {"aws:SourceArn": [neighbour, topic_arn]}}
    assert run("diff", "--json")[0] == 0


@pytest.mark.parametrize("place", ["moto"], indirect=True)
def test_what_cannot_be_seen_is_not_changed(place, run, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)

    code, found = run("diff", "--json")
    assert code == 1
    assert [(item["state"], item.get("reason")) for item in found["items"]] == [
        *[("unknown", "cannot be read: NoCredentialsError")] * 3,
        ("unknown", "queue and topic cannot be read"),
    ]
    code, _ = run("apply", "--yes", "--json")
    assert code.startswith("pubsub topology: Nothing was changed, since not all can be seen: topic ")


@pytest.mark.parametrize("options", [["--kms-key", "alias/shop"], ["--max-receive-count", "9"]])
@pytest.mark.parametrize("suffix", ["", ".fifo"])
def test_what_is_made_is_what_was_planned(place, run, monkeypatch, suffix, options):
    monkeypatch.setenv("ORDERS__SQS_CONSUMER__SQS_QUEUE_URL", f"{place.queue}{suffix}")
    monkeypatch.setenv(
        "ORDERS__SNS_TOPIC_ARNS__DEFAULT", f"arn:aws:sns:{place.region}:{place.account}:{place.topic}{suffix}"
    )

    code, found = run("apply", "--yes", "--json", *options)
    assert (code, len(found["done"])) == (0, 4), found
    code, found = run("diff", "--json", *options)
    assert code == 0, found
    made = place.attributes(f"{place.queue}{suffix}")
    assert loads(made["RedrivePolicy"])["deadLetterTargetArn"].endswith(f"{place.dead}{suffix}")
    if options[0] == "--kms-key" and not place.is_broker:
        assert made["KmsMasterKeyId"] == "alias/shop"


def test_a_queue_may_be_named_by_its_url(place, run, monkeypatch):
    run("apply", "--yes", "--json")
    url = place.sqs.get_queue_url(QueueName=place.queue)["QueueUrl"]
    monkeypatch.setenv("ORDERS__SQS_CONSUMER__SQS_QUEUE_URL", url)
    place.flags = [] if not place.is_broker else place.flags
    assert run("diff", "--json")[0] == 0


def test_topics_that_only_have_a_name_are_looked_for(place, run, monkeypatch):
    run("apply", "--yes", "--json")
    monkeypatch.setenv("ORDERS__SNS_TOPIC_ARNS__DEFAULT", place.topic)
    assert run("diff", "--json")[0] == 0


def test_the_words_of_before_are_understood(place, capsys):
    for words in ([place.program], ["--format", "json", place.program], ["print", place.program, "--format", "json"]):
        with pytest.raises(SystemExit) as raised:
            main(["topology", *words])
        assert not raised.value.code
        assert place.queue in capsys.readouterr().out


TOPIC_ARN = "arn:aws:sns:eu-west-1:123456789012:events"
ALLOW = {"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": "*"}
FROM = {"Condition": {"ArnEquals": {"aws:SourceArn": TOPIC_ARN}}}


@pytest.mark.parametrize(
    ("statements", "is_admitted"),
    [
        ([], False),
        ([ALLOW | FROM], True),
        ([ALLOW], True),
        (ALLOW, True),
        ([ALLOW | {"Action": ["SQS:*"]}], True),
        ([ALLOW | {"Action": "sqs:ReceiveMessage"}], False),
        ([ALLOW | {"Principal": "*"}], True),
        ([ALLOW | {"Principal": {"AWS": "*"}}], True),
        ([ALLOW | {"Principal": {"AWS": "123456789012"}}], False),
        ([ALLOW | {"Condition": {"ArnLike": {"AWS:SourceArn": ["arn:aws:sns:*:123456789012:*"]}}}], True),
        ([ALLOW | {"Condition": {"ArnEquals": {"aws:SourceArn": f"{TOPIC_ARN}-2"}}}], False),
        ([ALLOW | {"Condition": {"ArnNotEquals": {"aws:SourceArn": TOPIC_ARN}}}], False),
        ([ALLOW | {"Condition": {"StringEquals": {"aws:SourceAccount": "123456789012"}}}], True),
        ([ALLOW | FROM, ALLOW | FROM | {"Effect": "Deny"}], False),
        # of a connection without TLS, which SNS does not make
        ([ALLOW, ALLOW | {"Effect": "Deny", "Condition": {"Bool": {"aws:SecureTransport": "false"}}}], True),
        (["x", None], False),
    ],
)
def test_whom_a_policy_admits(statements, is_admitted):
    assert admits(dumps({"Statement": statements}), TOPIC_ARN) is is_admitted


@pytest.mark.parametrize("policy", [None, "", "{", "[]", "{}"])
def test_no_policy_admits_nobody(policy):
    assert not admits(policy, TOPIC_ARN)
