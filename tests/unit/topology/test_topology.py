"""
What a daemon and its producers need in AWS, as the tools there read it.
"""

import sys
from io import StringIO
from itertools import count
from json import dumps, loads

import hcl2
import pytest
from cfnlint.api import lint_all
from microcosm.api import load_from_dict

from microcosm_pubsub import ConsumerDaemon, DeadLetter, Nack, PubSubMessageSchema, created, handles, schema
from microcosm_pubsub.broker.factory import open_broker
from microcosm_pubsub.cli.main import main
from microcosm_pubsub.errors import ConfigurationError
from microcosm_pubsub.harness import harness
from microcosm_pubsub.server.description import apply_description, parse_description
from microcosm_pubsub.topology.formats import FORMATS
from microcosm_pubsub.topology.permissions import make_consumer_policy, make_dlq_policy, make_producer_policy
from microcosm_pubsub.topology.plan import plan
from microcosm_pubsub.topology.terraform import write


NUMBERS = count(1)
ARN = "arn:aws:sns:eu-west-1:123456789012:{}"
ORDER, PARCEL = created("order"), created("parcel.note")


@pytest.fixture
def make(own_declarations):
    """Make what a daemon of two media types needs, of which one is published too."""

    @schema
    class OrderSchema(PubSubMessageSchema):
        MEDIA_TYPE = ORDER

    @handles(OrderSchema)
    def take(content):
        return True

    @handles(PARCEL)
    def take_parcel(content):
        return True

    class OrdersDaemon(ConsumerDaemon):
        name = "orders"

    def make_it(queue=None, arns=None, default=None, **options):
        config = {
            "sns_producer": {"mock_sns": True},
            "sns_topic_arns": {"mappings": arns or {}, **({"default": default} if default else {})},
            "sqs_consumer": {"sqs_queue_url": queue} if queue else {},
        }
        return plan(OrdersDaemon.create_for_testing(loader=load_from_dict(config)), **options)

    return make_it


def test_names_are_those_that_are_configured(make):
    topology = make()
    assert [topic.name for topic in topology.topics] == ["pubsub"]
    assert (topology.queue.name, topology.queue.dead_letter_queue) == ("orders", "orders-dead-letters")

    topology = make(
        queue="https://sqs.eu-west-1.amazonaws.com/123456789012/shop.fifo",
        arns={PARCEL: ARN.format("parcels.fifo")},
        default=ARN.format("events.fifo"),
        with_producers=True,
    )
    assert topology.queue.dead_letter_queue == "shop-dead-letters.fifo"
    assert {topic.name: (topic.published, topic.handled) for topic in topology.topics} == {
        "events.fifo": ((ORDER,), (ORDER,)),
        "parcels.fifo": ((), (PARCEL,)),
    }


def test_a_fifo_queue_at_a_standard_topic_is_refused(make):
    with pytest.raises(ConfigurationError, match=r"Queue shop.fifo is FIFO, and cannot subscribe to events, which is"):
        make(queue="shop.fifo", default=ARN.format("events"))


def find_faults(template):
    """Return the errors and the warnings of a template."""
    return [match for match in lint_all(template) if match.rule.id[0] in "EW"]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"with_producers": True, "kms_key": "alias/pubsub"},
        {"queue": "shop.fifo", "default": ARN.format("events.fifo")},
        {"arns": {PARCEL: ARN.format("my-parcels")}, "max_receive_count": 9},
    ],
)
class TestFormats:
    def test_cloudformation(self, make, options):
        template = FORMATS["cloudformation"](make(**options))
        assert find_faults(template) == []
        assert "Outputs" not in loads(FORMATS["cdk-json"](make(**options)))
        broken = template.replace('"AWS::SQS::Queue"', '"AWS::SQS::Queu"')
        assert find_faults(broken) != []

    def test_terraform(self, make, options):
        topology = make(**options)
        resources = {}
        for block in hcl2.load(StringIO(FORMATS["terraform"](topology)))["resource"]:
            for kind, named in block.items():
                resources.setdefault(kind.strip('"'), {}).update(named)
        assert len(resources["aws_sns_topic"]) == len(topology.topics)
        assert len(resources["aws_sqs_queue"]) == 2
        assert len(resources["aws_sns_topic_subscription"]) == len(topology.subscribed)
        assert len(resources["aws_sqs_queue_policy"]) == 1

    def test_the_file_of_a_server(self, make, options):
        topology = make(**options)
        clients = open_broker("sqlite://")
        apply_description(clients.broker, parse_description(FORMATS["pubsub-serve"](topology), "test"))
        made = clients.topic_client.client.list_subscriptions()["Subscriptions"]
        assert sorted(each["TopicArn"].rpartition(":")[2] for each in made) == [
            topic.name for topic in topology.subscribed
        ]
        queues = clients.queue_client.list_queues()["QueueUrls"]
        assert sorted(url.rpartition("/")[2] for url in queues) == sorted(
            [topology.queue.name, topology.queue.dead_letter_queue]
        )
        clients.close()

    def test_for_people_and_machines(self, make, options):
        topology = make(**options)
        assert FORMATS["mermaid"](topology).startswith("flowchart LR\n")
        found = loads(FORMATS["json"](topology))
        (statement,) = found["queue"]["policy"]["Statement"]
        assert statement["Condition"]["ArnEquals"]["aws:SourceArn"] == [
            f"topic {topic.name}" for topic in topology.subscribed
        ]


def test_terraform_puts_nothing_into_texts():
    assert write("${a} %{b}", 0) == '"$${a} %%{b}"'


#: The calls of boto3's clients, and what allows them.
ACTIONS = {
    "receive_message": "sqs:ReceiveMessage",
    "delete_message": "sqs:DeleteMessage",
    "delete_message_batch": "sqs:DeleteMessage",
    "change_message_visibility": "sqs:ChangeMessageVisibility",
    "change_message_visibility_batch": "sqs:ChangeMessageVisibility",
    "get_queue_attributes": "sqs:GetQueueAttributes",
    "get_queue_url": "sqs:GetQueueUrl",
    "send_message": "sqs:SendMessage",
    "send_message_batch": "sqs:SendMessage",
    "publish": "sns:Publish",
    "publish_batch": "sns:Publish",
}


def allowed_by(policy):
    return {action for statement in policy["Statement"] for action in statement["Action"]}


def test_a_consumer_and_a_producer_are_allowed_what_they_call(make):
    topology = make()

    @handles(created("thing"))
    def take_thing(content):
        if content["uri"].endswith("1"):
            raise Nack(0)
        if content["uri"].endswith("2"):
            raise DeadLetter("never")
        return True

    class ThingDaemon(ConsumerDaemon):
        name = "things"

    with harness(ThingDaemon) as app:
        for number in range(3):
            app.publish(created("thing"), uri=f"https://example.com/{number}")
        for _ in range(2):
            app.graph.sqs_message_dispatcher.handle_batch(app.daemon.bound_handlers)
        called = {call[0] for call in app.graph.sqs_client.method_calls}
        published = {call[0] for call in app.graph.sns_client.method_calls}

    # a queue that is given by its name is looked up
    assert {ACTIONS[name] for name in called} | {"sqs:GetQueueUrl"} == allowed_by(make_consumer_policy(topology))
    assert {ACTIONS[name] for name in published} == allowed_by(make_producer_policy(topology))


def test_permissions_are_for_certain_resources(make):
    topology = make(kms_key="pubsub", with_producers=True)
    for policy in (make_consumer_policy(topology), make_dlq_policy(topology), make_producer_policy(topology)):
        resources = [each for statement in policy["Statement"] for each in statement["Resource"] if each != "*"]
        assert resources
        assert all(each.rpartition(":")[2] in ("orders", "orders-dead-letters", "pubsub") for each in resources)
        (key,) = [each for each in policy["Statement"] if each["Sid"] == "UseKey"]
        assert key["Condition"]["ForAnyValue:StringEquals"]["kms:ResourceAliases"] == "alias/pubsub"
    text = dumps(make_consumer_policy(topology, "eu-west-1", "123456789012"))
    assert "arn:aws:sqs:eu-west-1:123456789012:orders" in text


def test_what_handles_nothing_has_no_queue(own_declarations):
    class IdleDaemon(ConsumerDaemon):
        name = "idle"

    loader = load_from_dict(sns_producer={"mock_sns": True})
    topology = plan(IdleDaemon.create_for_testing(loader=loader))
    assert (topology.queue, topology.topics) == (None, ())
    with pytest.raises(ConfigurationError, match="idle handles nothing, and so needs no queue"):
        make_consumer_policy(topology)
    with pytest.raises(ConfigurationError, match="idle publishes nothing"):
        make_producer_policy(topology)


PROGRAM = """
from microcosm_pubsub import ConsumerDaemon, created, handles


@handles(created("order"))
def take(content):
    return True


class OrdersDaemon(ConsumerDaemon):
    name = "orders"
"""


@pytest.mark.parametrize(
    ("words", "texts"),
    [
        (["topology"], ["orders-dead-letters", "visibility timeout 30 s", "lets events send, and nobody else"]),
        (["topology", "--format", "terraform"], ['resource "aws_sqs_queue" "orders" {']),
        (["topology", "--kms-key", "alias/x"], ["kms:GenerateDataKey"]),
        (["iam", "consumer", "--region", "eu-west-1"], ["arn:aws:sqs:eu-west-1:*:orders", "sqs:ReceiveMessage"]),
        (["iam", "producer"], ["arn:aws:sns:*:*:events", "sns:Publish"]),
        (["iam", "dlq"], ["sqs:StartMessageMoveTask"]),
    ],
)
def test_commands(words, texts, tmp_path, monkeypatch, capsys, own_declarations):
    name = f"topology_program_{next(NUMBERS)}"
    (tmp_path / f"{name}.py").write_text(PROGRAM)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", ["", *sys.path])
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("ORDERS__SNS_TOPIC_ARNS__DEFAULT", ARN.format("events"))

    with pytest.raises(SystemExit) as raised:
        main(
            [*words[:2], f"{name}:OrdersDaemon", *words[2:]] if words[0] == "iam" else [*words, f"{name}:OrdersDaemon"]
        )

    assert not raised.value.code
    printed = capsys.readouterr().out
    for each in texts:
        assert each in printed
