"""
What must be allowed, by calling: over moto, which asks IAM about every call, everything works with the policies, and
without any one of their actions something does not.
"""

import sys
from contextlib import contextmanager, suppress
from itertools import count
from json import dumps, loads
from subprocess import Popen
from time import time
from types import SimpleNamespace

import pytest
from boto3 import Session
from botocore.exceptions import ClientError
from microcosm.api import create_object_graph, load_from_dict
from requests import post

from microcosm_pubsub import ConsumerDaemon, DeadLetter, Nack, Service, created, handles
from microcosm_pubsub.calls.cleaning import TOUCH_SECONDS, get_machine
from microcosm_pubsub.cli.main import main
from microcosm_pubsub.errors import ConfigurationError, PubSubError
from microcosm_pubsub.topology.permissions import (
    make_caller_policy,
    make_consumer_policy,
    make_dlq_policy,
    make_producer_policy,
)
from microcosm_pubsub.topology.plan import plan
from tests.engines import LOCAL_REGION


# each action is left out once, in one test
pytestmark = [pytest.mark.usefixtures("shared_models"), pytest.mark.timeout(600)]

NUMBERS = count(1)
ACCOUNT = "123456789012"

#: What moto asks IAM about without the name of what it is for, which is then `*`; all other calls at a queue are judged
#: by the queue too.
NAMELESS = {"sqs:CreateQueue", "sqs:GetQueueUrl", "sqs:ListQueues", "sns:Publish"}


def without(policy, name):
    """Return a policy without an action of it, given with its statement, for moto."""
    # a policy must have a statement
    statements = [{"Effect": "Allow", "Action": "sqs:ListQueueTags", "Resource": "*"}]
    for statement in policy["Statement"]:
        actions = [action for action in statement["Action"] if f"{statement['Sid']} {action}" != name]
        for action in actions:
            resources = ["*"] if action in NAMELESS else statement["Resource"]
            # batches are allowed by what allows single ones, which moto does not know
            both = [action, f"{action}Batch"]
            statements.append({**statement, "Sid": f"S{len(statements)}", "Action": both, "Resource": resources})
    return {**policy, "Statement": statements}


class Account:
    """An account at moto, where everybody may do what his policy says, and nothing else."""

    def __init__(self, moto, monkeypatch):
        self.moto = moto
        self.monkeypatch = monkeypatch
        #: What is closed at the end.
        self.clients = []
        self.iam = self.make_client("iam")
        self.admin = self.make_user({"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]})
        with self.acting(self.admin):
            self.iam = self.make_client("iam")
            self.sqs, self.sns = self.make_client("sqs"), self.make_client("sns")

    def make_client(self, service):
        # boto3's own session keeps the credentials that it found first
        client = Session().client(service, region_name=LOCAL_REGION, endpoint_url=self.moto.url)
        self.clients.append(client)
        return client

    def keep(self, graph, *names):
        """Close the clients of a graph at the end."""
        self.clients += [getattr(graph, name) for name in names]

    def close(self):
        for client in self.clients:
            client.close()

    def make_user(self, policy):
        name = f"user-{next(NUMBERS)}"
        self.iam.create_user(UserName=name)
        document = dumps({"Version": "2012-10-17", **policy})
        self.iam.put_user_policy(UserName=name, PolicyName="rights", PolicyDocument=document)
        key = self.iam.create_access_key(UserName=name)["AccessKey"]
        return {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}

    @contextmanager
    def acting(self, user):
        """Let the clients that are made in the block be a user's."""
        with self.monkeypatch.context() as patch:
            for name, value in user.items():
                patch.setenv(name, value)
            yield

    @contextmanager
    def enforcing(self):
        post(f"{self.moto.url}/moto-api/reset-auth", data=b"0", timeout=10).raise_for_status()
        try:
            yield
        finally:
            post(f"{self.moto.url}/moto-api/reset-auth", data=b"inf", timeout=10).raise_for_status()

    def config(self, queue, topic_arn, **more):
        return {
            "sqs_consumer": {"sqs_queue_url": queue, "endpoint_url": self.moto.url, "wait_seconds": 0},
            "sns_producer": {"endpoint_url": self.moto.url},
            "sns_topic_arns": {"default": topic_arn},
            **more,
        }


@pytest.fixture
def account(moto, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["test"])
    made = Account(moto, monkeypatch)
    yield made
    made.close()


@pytest.fixture
def place(account):
    """A queue, its dead letters, and a topic; for each run new ones."""

    def make():
        name = f"rights-{next(NUMBERS)}"
        dead = account.sqs.create_queue(QueueName=f"{name}-dead-letters")["QueueUrl"]
        policy = {
            "deadLetterTargetArn": f"arn:aws:sqs:{LOCAL_REGION}:{ACCOUNT}:{name}-dead-letters",
            "maxReceiveCount": 5,
        }
        url = account.sqs.create_queue(QueueName=name, Attributes={"RedrivePolicy": dumps(policy)})["QueueUrl"]
        topic_arn = account.sns.create_topic(Name=name)["TopicArn"]
        account.sns.subscribe(
            TopicArn=topic_arn, Protocol="sqs", Endpoint=f"arn:aws:sqs:{LOCAL_REGION}:{ACCOUNT}:{name}"
        )
        return SimpleNamespace(name=name, url=url, dead=dead, topic_arn=topic_arn)

    return make


def iter_missing(policies):
    """Iterate over what to leave out: nothing, then each action of each policy."""
    yield None, None
    for role, policy in policies.items():
        for statement in policy["Statement"]:
            for action in statement["Action"]:
                yield role, f"{statement['Sid']} {action}"


def make_topology(daemon_cls, found, **more):
    config = {
        "sqs_consumer": {"sqs_queue_url": found.name},
        "sns_producer": {"mock_sns": True},
        "sns_topic_arns": {"default": found.topic_arn},
        **more,
    }
    return plan(daemon_cls.create_for_testing(loader=load_from_dict(config)))


def start(daemon_cls, config):
    daemon = daemon_cls()
    daemon.args = daemon.make_arg_parser().parse_args([])
    daemon.graph = daemon.create_object_graph(daemon.args, loader=load_from_dict(config))
    return daemon


def depth(account, url):
    """How many messages of a queue are visible, and how many hidden."""
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    attributes = account.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    return tuple(int(attributes[name]) for name in names)


class TestConsumer:
    """A daemon that is published to: one message succeeds, one comes again, and one is given up."""

    @pytest.fixture
    def daemon_cls(self, own_declarations):
        @handles(created("thing"))
        def take(content):
            if content["uri"].endswith("nack"):
                raise Nack(0)
            if content["uri"].endswith("give-up"):
                raise DeadLetter("never")
            return True

        class ThingDaemon(ConsumerDaemon):
            name = "things"

        return ThingDaemon

    def run(self, account, found, daemon_cls, consumer, producer):
        """Return what has become of the messages: published, left visible and hidden, and dead."""
        published = 0
        with account.acting(producer):
            graph = create_object_graph("shop", loader=load_from_dict(account.config(None, found.topic_arn)))
            graph.use("sns_producer")
            graph.lock()
            account.keep(graph, "sns_client")
        for name in ("ok", "nack", "give-up"):
            try:
                graph.sns_producer.produce(created("thing"), uri=f"https://example.com/{name}")
            except PubSubError:
                continue
            published += 1
        try:
            with account.acting(consumer):
                daemon = start(daemon_cls, account.config(found.name, found.topic_arn))
                account.keep(daemon.graph, "sqs_client", "sns_client")
            daemon.process()
        except PubSubError as error:
            return published, type(error).__name__, depth(account, found.dead)
        return published, depth(account, found.url), depth(account, found.dead)

    def test_everything_that_is_allowed_is_needed(self, account, place, daemon_cls):
        def make_policies(found):
            topology = make_topology(daemon_cls, found)
            makers = {"consumer": make_consumer_policy, "producer": make_producer_policy}
            return {role: make(topology, LOCAL_REGION, ACCOUNT) for role, make in makers.items()}

        everything = 3, (1, 0), (1, 0)
        with account.enforcing():
            for role, missing in iter_missing(make_policies(place())):
                found = place()
                users = {
                    name: account.make_user(without(policy, missing if name == role else None))
                    for name, policy in make_policies(found).items()
                }
                became = self.run(account, found, daemon_cls, **users)
                assert (became == everything) is (missing is None), (role, missing, became)


class TestDeadLetters:
    """Somebody lists dead letters, looks at them, gives them back, and deletes the rest by `pubsub dlq`."""

    #: moto knows no move tasks.
    UNKNOWN = ("sqs:StartMessageMoveTask", "sqs:ListMessageMoveTasks", "sqs:CancelMessageMoveTask")

    @pytest.fixture
    def daemon_cls(self, own_declarations):
        @handles(created("thing"))
        def take(content):
            return True

        class ThingDaemon(ConsumerDaemon):
            name = "things"

        return ThingDaemon

    def run(self, account, found, user, capsys):
        """Return how many dead letters were listed, and where the messages are after each further step."""

        def ask(*words):
            with pytest.raises(SystemExit), account.acting(user):
                main(["dlq", *words, "--json", "--endpoint-url", account.moto.url])
            lines = [line for line in capsys.readouterr().out.splitlines() if "werkzeug" not in line]
            return loads(lines[-1]) if lines else None

        listed = ask("list", "--prefix", found.name) or [{}]
        ask("peek", "--queue-url", f"{found.name}-dead-letters")
        looked_at = depth(account, found.dead)
        ask("redrive", "--queue-url", found.dead, "--copy")
        given_back = depth(account, found.dead), depth(account, found.url)
        account.sqs.send_message(QueueUrl=found.dead, MessageBody="three")
        ask("purge", "--queue-url", found.dead, "--yes")
        return listed[0].get("dead"), looked_at, *given_back, depth(account, found.dead)

    def test_everything_that_is_allowed_is_needed(self, account, place, daemon_cls, capsys):
        def make(found):
            return make_dlq_policy(make_topology(daemon_cls, found), LOCAL_REGION, ACCOUNT)

        everything = 2, (2, 0), (0, 0), (2, 0), (0, 0)
        with account.enforcing():
            for _, missing in iter_missing({"dlq": make(place())}):
                if missing is not None and missing.endswith(self.UNKNOWN):
                    continue
                found = place()
                for text in ("one", "two"):
                    account.sqs.send_message(QueueUrl=found.dead, MessageBody=dumps({"mediaType": text}))
                became = self.run(account, found, account.make_user(without(make(found), missing)), capsys)
                assert (became == everything) is (missing is None), (missing, became)


class TestCalls:
    """A caller asks a service twice, touches its queue, removes that of a caller that is gone, and ends."""

    @pytest.fixture
    def daemon_cls(self, own_declarations):
        class Inventory(Service):
            name = "inventory"

            def on_echo(self, message, words):
                return words

        class InventoryDaemon(ConsumerDaemon):
            name = "inventory"

        return InventoryDaemon

    def ask(self, daemon, rpc, words, seconds):
        """Ask, and have the service answer; return whether that was so."""
        try:
            future = rpc.call_soon("inventory.echo", words, timeout_seconds=seconds)
            daemon.process()
            return future.result(10) == words
        except PubSubError:
            return False

    def run(self, account, found, daemon_cls, prefix, seconds, service, caller):
        """Return what went well, by name."""
        more = {"pubsub_replies": {"prefix": prefix}}
        with account.acting(service):
            daemon = start(daemon_cls, account.config(found.url, found.topic_arn, **more))
            account.keep(daemon.graph, "sqs_client", "sns_client")
        with account.acting(caller):
            loader = load_from_dict(account.config(None, found.topic_arn, **more))
            graph = create_object_graph("shop", loader=loader)
            graph.use("pubsub_rpc")
            graph.lock()
            account.keep(graph, "sqs_client", "sns_client")
        rpc = graph.pubsub_rpc
        well = {"asked": self.ask(daemon, rpc, "a", seconds)}
        if not well["asked"]:
            rpc.close()
            return well
        url = rpc.replies.url
        account.sqs.set_queue_attributes(QueueUrl=url, Attributes={"MessageRetentionPeriod": "600"})
        rpc.queues.now = lambda: time() + TOUCH_SECONDS
        # what was read before is deleted before more is read
        well["asked again"] = self.ask(daemon, rpc, "b", seconds)
        well["deleted"] = sum(depth(account, url)) < 2
        answer = account.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["MessageRetentionPeriod"])
        well["touched"] = answer["Attributes"]["MessageRetentionPeriod"] == "300"
        process = Popen(["true"])
        process.wait()
        account.sqs.create_queue(QueueName=f"{prefix}{get_machine()}-{process.pid}-0123456789ab")
        with suppress(ClientError):
            rpc.queues.clean()
        rpc.close()
        well["removed"] = not account.sqs.list_queues(QueueNamePrefix=prefix).get("QueueUrls")
        return well

    def test_everything_that_is_allowed_is_needed(self, account, place, daemon_cls):
        def make_policies(found, prefix):
            topology = make_topology(daemon_cls, found, pubsub_replies={"prefix": prefix})
            service = make_consumer_policy(topology, LOCAL_REGION, ACCOUNT)
            # the queue is given by its URL; to find any queue by its name is the same to moto
            parts = [each for each in service["Statement"] if each["Sid"] in ("Receive", "Answer")]
            return {
                "service": {**service, "Statement": parts},
                "caller": make_caller_policy(topology, LOCAL_REGION, ACCOUNT),
            }

        with account.enforcing():
            for role, missing in iter_missing(make_policies(place(), "answers-")):
                if missing is not None and missing.startswith("Receive "):
                    continue
                found, prefix = place(), f"answers-{next(NUMBERS)}-"
                users = {
                    name: account.make_user(without(policy, missing if name == role else None))
                    for name, policy in make_policies(found, prefix).items()
                }
                # what is not allowed is not waited for so long
                well = self.run(account, found, daemon_cls, prefix, 30 if missing is None else 1, **users)
                assert all(well.values()) is (missing is None), (role, missing, well)

    def test_a_daemon_that_calls_may_do_what_a_caller_does(self, place, daemon_cls):
        class ShopDaemon(daemon_cls):  # type: ignore[valid-type, misc]
            name = "shop"
            components = ["pubsub_rpc"]

        found = place()
        consumer = make_consumer_policy(make_topology(ShopDaemon, found))
        caller = make_caller_policy(make_topology(daemon_cls, found))
        assert all(statement in consumer["Statement"] for statement in caller["Statement"])
        resources = {statement["Sid"]: statement["Resource"] for statement in consumer["Statement"]}
        assert resources["Answer"] == resources["TakeAnswers"] == ["arn:aws:sqs:*:*:pubsub-reply-*"]
        assert resources["Call"] == [f"arn:aws:sns:*:*:{found.name}"]


def test_what_has_no_part_in_calls_is_allowed_none(own_declarations):
    @handles(created("thing"))
    def take(content):
        return True

    class ThingDaemon(ConsumerDaemon):
        name = "things"

    topology = plan(ThingDaemon.create_for_testing(loader=load_from_dict(sns_producer={"mock_sns": True})))
    statements = {statement["Sid"] for statement in make_consumer_policy(topology)["Statement"]}
    assert statements == {"Receive", "Find", "GiveUp"}
    with pytest.raises(ConfigurationError, match="things neither has a service nor calls one"):
        make_caller_policy(topology)
