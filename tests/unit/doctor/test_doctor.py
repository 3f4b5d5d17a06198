"""
Broken set-ups, each found and named, over the broker and over other engines; and one in which all is well.
"""

import sys
from dataclasses import dataclass, field
from itertools import count
from json import dumps, loads
from sqlite3 import connect
from time import time
from typing import Any

import pytest
from microcosm.hooks import ON_RESOLVE
from requests import post

from microcosm_pubsub import ConsumerDaemon, PubSubMessageSchema, RetryPolicy, created, handles, schema
from microcosm_pubsub.broker.factory import open_broker
from microcosm_pubsub.cli.main import main
from microcosm_pubsub.doctor.access import check_clock, describe_failure
from microcosm_pubsub.doctor.encryption import lets_sns
from microcosm_pubsub.doctor.examination import examine
from microcosm_pubsub.doctor.packages import is_allowed
from microcosm_pubsub.doctor.variables import check_variables
from microcosm_pubsub.registry import SQSMessageHandlerRegistry
from microcosm_pubsub.sql.database import Database, Settings
from microcosm_pubsub.sql.url import parse_url
from microcosm_pubsub.topology.comparison import Comparison
from microcosm_pubsub.topology.engine import Engine, make_daemon
from microcosm_pubsub.topology.inventory import Inventory
from microcosm_pubsub.topology.plan import plan
from microcosm_pubsub.topology.provisioner import Provisioner
from tests.engines import LOCAL_REGION, make_local_client


pytestmark = pytest.mark.usefixtures("shared_models")

NUMBERS = count(1)
ORDER, PARCEL = created("order"), created("parcel")
PLACES = {
    "broker": ("local", "000000000000"),
    "moto": (LOCAL_REGION, "123456789012"),
    "ministack": (LOCAL_REGION, "000000000000"),
}


@dataclass
class SetUp:
    """A daemon and what it needs, all of which is well until it is broken."""

    kind: str
    url: str
    sqs: Any
    sns: Any
    patch: pytest.MonkeyPatch
    path: Any
    get: Any
    daemon_cls: Any
    config: dict[str, dict[str, Any]] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    ahead_seconds: float = 0

    def __post_init__(self):
        number = next(NUMBERS)
        self.queue, self.dead, self.topic = f"shop-{number}", f"shop-{number}-dead-letters", f"events-{number}"
        region, account = PLACES[self.kind]
        self.topic_arn = f"arn:aws:sns:{region}:{account}:{self.topic}"
        self.configure("sqs_consumer", sqs_queue_url=self.queue)
        self.configure("sns_topic_arns", default=self.topic_arn)
        if self.kind == "broker":
            self.configure("pubsub_broker", url=self.url)
        else:
            self.configure("sqs_consumer", endpoint_url=self.url)
            self.configure("sns_producer", endpoint_url=self.url)

    def make(self):
        """Make what the daemon needs, as it is configured now."""
        comparison = Comparison(
            plan(make_daemon(self.daemon_cls, self.config)), Inventory(self.sqs, self.sns), self.kind != "broker"
        )
        list(Provisioner(comparison, list(comparison.iter_items())).run())

    def configure(self, section, **values):
        self.config.setdefault(section, {}).update(values)

    def find(self):
        """Examine it, and return what was found."""
        now = lambda: time() + self.ahead_seconds  # noqa: E731
        return list(examine(self.daemon_cls, self.config, self.environment, now))

    # what breaks it

    def url_of(self, name):
        return self.sqs.get_queue_url(QueueName=name)["QueueUrl"]

    def set(self, name, **attributes):
        self.sqs.set_queue_attributes(QueueUrl=self.url_of(name), Attributes=attributes)
        if self.kind == "moto" and name == self.queue and "Policy" not in attributes:
            # which it forgets when other attributes are set
            policy = {"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "sqs:*", "Resource": "*"}]}
            self.sqs.set_queue_attributes(QueueUrl=self.url_of(name), Attributes={"Policy": dumps(policy)})

    def redrive(self, name, target, receives=5):
        arn = self.sqs.get_queue_attributes(QueueUrl=self.url_of(target), AttributeNames=["QueueArn"])["Attributes"]
        policy = {"deadLetterTargetArn": arn["QueueArn"], "maxReceiveCount": receives}
        self.set(name, RedrivePolicy=dumps(policy))

    @property
    def subscription(self):
        (found,) = self.sns.list_subscriptions_by_topic(TopicArn=self.topic_arn)["Subscriptions"]
        return found["SubscriptionArn"]

    def subscribe(self, **attributes):
        for name, value in attributes.items():
            text = value if isinstance(value, str) else dumps(value)
            self.sns.set_subscription_attributes(
                SubscriptionArn=self.subscription, AttributeName=name, AttributeValue=text
            )

    def encrypt(self, statements=(), disable=False):
        """Encrypt the queue with a key of its own."""
        kms = make_local_client("kms", self.url)
        policy = dumps({"Version": "2012-10-17", "Statement": list(statements)})
        key = kms.create_key(Policy=policy)["KeyMetadata"]["KeyId"]
        if disable:
            kms.disable_key(KeyId=key)
        self.set(self.queue, KmsMasterKeyId=key)


@pytest.fixture
def daemon_cls(own_declarations):
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

    return OrdersDaemon


@pytest.fixture
def make_set_up(request, tmp_path, monkeypatch, daemon_cls):
    opened = []

    def make(kind):
        if kind == "broker":
            url = f"sqlite:///{tmp_path}/pubsub.db"
            clients = open_broker(url)
            opened.append(clients)
            sqs, sns = clients.queue_client, clients.topic_client.client
        else:
            engine = request.getfixturevalue(kind)
            url, sqs, sns = engine.url, engine.sqs, engine.sns
        return SetUp(kind, url, sqs, sns, monkeypatch, tmp_path, request.getfixturevalue, daemon_cls)

    yield make
    for clients in opened:
        clients.close()


#: By name: the engine, whether what is needed is made before, what breaks it, and level, check and words of what is
#: found.
BROKEN: dict[str, tuple[Any, ...]] = {}


def broken(kind, level, check, *words, made=True):
    """Let a function break a set-up, which has to be found and named."""

    def decorate(function):
        BROKEN[function.__name__] = (kind, made, function, level, check, words)
        return function

    return decorate


# the program


@broken("broker", "warning", "environment", "ORDERS_SQS_CONSUMER__LIMIT", "ORDERS__SQS_CONSUMER__LIMIT?")
def a_variable_lacks_an_underscore(it):
    it.environment["ORDERS_SQS_CONSUMER__LIMIT"] = "5"


@broken("broker", "warning", "environment", "ORDER__SQS_CONSUMER__LIMIT", "ORDERS__SQS_CONSUMER__LIMIT?")
def a_variable_misspells_the_daemon(it):
    it.environment["ORDER__SQS_CONSUMER__LIMIT"] = "5"


@broken("broker", "warning", "environment", "orders__sqs_consumer__limit", "ORDERS__SQS_CONSUMER__LIMIT?")
def a_variable_is_in_small_letters(it):
    it.environment["orders__sqs_consumer__limit"] = "5"


@broken("broker", "warning", "environment", "PUBSUB_BROKER_ULR", "PUBSUB_BROKER_URL?")
def a_well_known_variable_is_misspelt(it):
    it.environment["PUBSUB_BROKER_ULR"] = "sqlite:///pubsub.db"


@broken("broker", "warning", "configuration", "ORDERS__SQS_CONSUMER__LIMITT", "did you mean limit?")
def a_key_is_misspelt(it):
    it.patch.setenv("ORDERS__SQS_CONSUMER__LIMITT", "5")


@broken("broker", "error", "configuration", "sqs_consumer.limit", "eleven", made=False)
def a_value_cannot_work(it):
    it.configure("sqs_consumer", limit="eleven")


@broken("broker", "error", "handlers", "has no handlers", "import the modules", made=False)
def nothing_is_handled(it):
    # `own_declarations` undoes it: what is patched would be undone after that, and stay
    setattr(SQSMessageHandlerRegistry, f"{ON_RESOLVE}_SQSMessageHandlerRegistry", [])


@broken("broker", "error", "leases", "visibility_timeout_seconds is 3", made=False)
def leases_are_too_short(it):
    it.configure("pubsub_worker", visibility_timeout_seconds=3)


@broken("broker", "error", "leases", "max_buffer", made=False)
def leases_are_too_many(it):
    it.configure("pubsub_worker", max_buffer=100_000)


@broken("broker", "error", "leases", "timeout_seconds 7200", "max_lease_seconds", made=False)
def a_handler_may_take_longer_than_its_lease(it):
    handles(created("long"), timeout_seconds=7200)(lambda content: True)


@broken("broker", "error", "leases", "sqs_client.read_timeout")
def receives_are_given_up_too_early(it):
    it.configure("sqs_client", read_timeout=4)


@broken("broker", "error", "packages", "boto3 is 1.0.0", "must be >=1.28.0")
def a_package_is_too_old(it):
    folder = it.path / "boto3-1.0.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: boto3\nVersion: 1.0.0\n")
    it.patch.syspath_prepend(str(it.path))


@broken("broker", "error", "packages", "sqs_client.transport needs awscrt", "microcosm_pubsub[fast]")
def an_extra_is_missing(it):
    it.configure("sqs_client", transport="crt")
    it.patch.setitem(sys.modules, "awscrt", None)


@broken("broker", "error", "queue", "reads STDIN, which is no queue", made=False)
def the_queue_is_standard_input(it):
    it.configure("sqs_consumer", sqs_queue_url="STDIN")


@broken("moto", "error", "queue", "none is configured", made=False)
def no_queue_is_configured(it):
    it.config["sqs_consumer"].pop("sqs_queue_url")


@broken("moto", "error", "subscription", "is FIFO, and cannot subscribe to events-", made=False)
def the_queue_keeps_order_and_the_topic_does_not(it):
    it.configure("sqs_consumer", sqs_queue_url=f"{it.queue}.fifo")


# the database


@broken("broker", "error", "database", "no tables of ours", "pubsub db upgrade")
def the_database_is_empty(it):
    connect(it.path / "orders.db").close()
    it.configure("pubsub_database", url=f"sqlite:///{it.path}/orders.db")


@broken("broker", "error", "database", "no tables of ours", "pubsub db upgrade")
def the_database_of_a_server_is_empty(it):
    it.configure("pubsub_database", url=it.get("postgres").create_database())


@broken("broker", "error", "database", "there is no file")
def the_database_is_no_file(it):
    it.configure("pubsub_database", url=f"sqlite:///{it.path}/order.db")


@broken("broker", "error", "database", "9999", "upgrade microcosm_pubsub")
def the_database_is_newer(it):
    database = Database.open_url(parse_url(f"sqlite:///{it.path}/orders.db"), Settings())
    database.upgrade()
    database.close()
    with connect(it.path / "orders.db") as connection:
        connection.execute("UPDATE pubsub_database_version SET version_num = '9999'")
    connection.close()
    it.configure("pubsub_database", url=f"sqlite:///{it.path}/orders.db")


@broken("broker", "error", "database", "127.0.0.1:1", "that the server runs")
def the_database_does_not_answer(it):
    it.configure("pubsub_database", url="postgresql+psycopg://user:secret@127.0.0.1:1/orders")


@broken("broker", "error", "database", "pubsub_database.url")
def a_handler_needs_a_database(it):
    handles(created("row"), transaction=True)(lambda content: True)


# who may what, and where


@broken("moto", "error", "region", "No AWS region", made=False)
def there_is_no_region(it):
    it.patch.delenv("AWS_DEFAULT_REGION")
    it.configure("sqs_consumer", endpoint_url=None)


@broken("moto", "error", "region", "is of eu-west-1", "region_name is us-east-1")
def the_region_is_another_one(it):
    url = f"https://sqs.eu-west-1.amazonaws.com/123456789012/{it.queue}"
    it.configure("sqs_consumer", sqs_queue_url=url, region_name="us-east-1")


@broken("moto", "error", "credentials", "there are none")
def there_are_no_credentials(it):
    it.patch.delenv("AWS_ACCESS_KEY_ID")
    it.patch.delenv("AWS_SECRET_ACCESS_KEY")


@broken("moto", "error", "credentials", "nobody", made=False)
def there_is_no_such_profile(it):
    it.configure("sqs_consumer", profile_name="nobody")


@broken("moto", "error", "credentials", "refuses them")
def the_credentials_are_refused(it):
    reset = f"{it.url}/moto-api/reset-auth"
    post(reset, data=b"0", timeout=10).raise_for_status()
    # undone as soon as the first call was refused
    it.patch.setattr(it, "find", undoing(it.find, lambda: post(reset, data=b"inf", timeout=10).raise_for_status()))


def undoing(call, undo):
    def call_and_undo():
        try:
            return call()
        finally:
            undo()

    return call_and_undo


@broken("moto", "error", "queue", "does not answer", "endpoint_url")
def nobody_listens(it):
    it.configure("sqs_consumer", endpoint_url="http://127.0.0.1:1")


@broken("broker", "error", "queue", "Cannot use the broker's database", made=False)
def the_broker_does_not_answer(it):
    it.configure("pubsub_broker", url="postgresql+psycopg://user:secret@127.0.0.1:1/pubsub")


@broken("moto", "error", "clock", "s ahead, and AWS refuses what is signed so")
def the_clock_is_wrong(it):
    it.ahead_seconds = 600


@broken("ministack", "warning", "clock", "s behind", "have NTP set it")
def the_clock_goes_wrong(it):
    it.ahead_seconds = -60


# the queue


@broken("moto", "error", "queue", "there is no queue", "did you mean shop-")
def the_queue_is_misspelt(it):
    it.configure("sqs_consumer", sqs_queue_url=f"{it.queue}x")


@broken("ministack", "warning", "queue", "waits 7 s (DelaySeconds)")
def messages_are_delayed(it):
    it.set(it.queue, DelaySeconds="7")


@broken("broker", "error", "dead letters", "has no redrive policy")
def there_are_no_dead_letters(it):
    it.sqs.create_queue(QueueName="plain")
    it.configure("sqs_consumer", sqs_queue_url="plain")


@broken("broker", "error", "dead letters", "which is not there")
def the_dead_letter_queue_is_gone(it):
    it.sqs.delete_queue(QueueUrl=it.url_of(it.dead))


@broken("moto", "warning", "dead letters", "maxReceiveCount is 1:")
def messages_are_given_up_too_early(it):
    it.redrive(it.queue, it.dead, 1)


@broken("ministack", "warning", "dead letters", "maxReceiveCount is 900", "keeps workers busy")
def messages_are_given_up_too_late(it):
    it.redrive(it.queue, it.dead, 900)


@broken("broker", "warning", "dead letters", "may have 8 attempts", "set maxReceiveCount to 9")
def retries_are_never_used_up(it):
    it.daemon_cls.retry = RetryPolicy(max_attempts=8)


@broken("moto", "warning", "dead letters", "has a redrive policy itself")
def dead_letters_are_sent_on(it):
    it.sqs.create_queue(QueueName=f"{it.queue}-last")
    it.redrive(it.dead, f"{it.queue}-last")


@broken("broker", "error", "dead letters", "RedriveAllowPolicy says denyAll")
def dead_letters_are_not_taken(it):
    it.set(it.dead, RedriveAllowPolicy=dumps({"redrivePermission": "denyAll"}))


@broken("broker", "warning", "dead letters", "holds about 1", "pubsub dlq")
def there_are_dead_letters(it):
    it.sqs.send_message(QueueUrl=it.url_of(it.dead), MessageBody="dead")


@broken("broker", "warning", "dead letters", "dead_letter_queue_url", "let both name one queue")
def dead_letters_go_two_ways(it):
    it.configure("sqs_consumer", dead_letter_queue_url=f"{it.queue}-other")


@broken("ministack", "error", "retention", "for 1 day,", "for 14 days")
def dead_letters_are_deleted_first(it):
    it.set(it.dead, MessageRetentionPeriod=str(24 * 60 * 60))


@broken("broker", "warning", "retention", "both keep messages for 4 days")
def dead_letters_are_not_kept_longer(it):
    for name in (it.queue, it.dead):
        it.set(name, MessageRetentionPeriod=str(4 * 24 * 60 * 60))


@broken("broker", "warning", "retention", "keeps messages for 1 hour", "outage")
def messages_are_kept_for_an_hour(it):
    it.set(it.queue, MessageRetentionPeriod="3600")


# topics and subscriptions


@broken("moto", "error", "topic", "there is no topic", ORDER)
def the_topic_is_misspelt(it):
    it.configure("sns_topic_arns", default=f"{it.topic_arn}x")


@broken("ministack", "error", "subscription", "is not subscribed to", ORDER)
def the_queue_is_not_subscribed(it):
    it.sns.unsubscribe(SubscriptionArn=it.subscription)


@broken("moto", "warning", "subscription", "cannot be looked at")
def the_topic_is_no_topic(it):
    it.configure("sns_topic_arns", default="arn:aws:sns:us-east-1:1:a b")
    it.configure("sns_producer", endpoint_url="http://127.0.0.1:1")


@broken("moto", "error", "filter", "does not let through", PARCEL)
def a_filter_stops_what_is_handled(it):
    it.subscribe(FilterPolicy={"media_type": [ORDER]})


@broken("broker", "warning", "filter", created("invoice"), "which nobody handles")
def a_filter_lets_through_what_nobody_handles(it):
    it.subscribe(FilterPolicy={"media_type": [ORDER, PARCEL, created("invoice")]})


@broken("broker", "warning", "filter", "also asks for region")
def a_filter_asks_for_more(it):
    it.subscribe(FilterPolicy={"media_type": [ORDER, PARCEL], "region": ["eu"]})


@broken("moto", "error", "filter", "filters by MessageBody")
def a_filter_is_of_bodies(it):
    it.subscribe(FilterPolicyScope="MessageBody", FilterPolicy={"mediaType": [ORDER]})


@broken("broker", "warning", "filter", "has no filter policy")
def there_is_no_filter(it):
    it.subscribe(FilterPolicy="")


@broken("broker", "warning", "raw delivery", "RawSQSEnvelope takes SNS's wrapping")
def the_envelope_reads_no_wrapping(it):
    it.configure("sqs_envelope", strategy_name="RawSQSEnvelope")


@broken("ministack", "error", "policy", "does not let events-")
def the_topic_may_not_send(it):
    other = {"Effect": "Allow", "Principal": "*", "Action": "sqs:ReceiveMessage", "Resource": "*"}
    it.set(it.queue, Policy=dumps({"Version": "2012-10-17", "Statement": [other]}))


# keys

ALLOW = {"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Resource": "*"}
ROOT = {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::123456789012:root"}, "Action": "kms:*", "Resource": "*"}


@broken("moto", "warning", "encryption", "is not encrypted")
def the_queue_is_not_encrypted(it):
    it.set(it.queue, SqsManagedSseEnabled="false")


@broken("moto", "error", "encryption", "alias/aws/sqs, which SNS may not use")
def the_key_is_that_of_aws(it):
    it.set(it.queue, KmsMasterKeyId="alias/aws/sqs")


@broken("moto", "error", "encryption", "does not let SNS use kms:GenerateDataKey, kms:Decrypt")
def the_key_does_not_know_sns(it):
    it.encrypt([ROOT])


@broken("moto", "error", "encryption", "does not let SNS use kms:Decrypt:")
def the_key_lets_sns_half_way(it):
    it.encrypt([ROOT, ALLOW | {"Action": "kms:GenerateDataKey*"}])


@broken("moto", "error", "encryption", "is Disabled")
def the_key_is_disabled(it):
    it.encrypt([ROOT, ALLOW | {"Action": ["kms:GenerateDataKey*", "kms:Decrypt"]}], disable=True)


@broken("moto", "error", "encryption", "there is no key")
def the_key_is_gone(it):
    it.set(it.queue, KmsMasterKeyId="alias/gone")


@broken("ministack", "warning", "encryption", "cannot be looked at")
def the_key_cannot_be_looked_at(it):
    it.set(it.queue, KmsMasterKeyId="alias/mine")


@pytest.mark.parametrize("name", [pytest.param(name, id=f"{name}-{BROKEN[name][0]}") for name in BROKEN])
def test_what_is_broken_is_found_and_named(name, make_set_up):
    kind, made, breaks, level, check, words = BROKEN[name]
    it = make_set_up(kind)
    if made:
        it.make()
    breaks(it)

    found = it.find()

    named = [each for each in found if (each.level, each.check) == (level, check)]
    said = [f"{each.text}: {each.advice}" for each in named]
    assert any(all(word in text for word in words) for text in said), found
    assert all(each.advice for each in found if each.level != "ok")
    # nothing else is wrong with it
    assert {each.check for each in found if each.level != "ok"} == {check}, found


@pytest.mark.parametrize("kind", ["broker", "moto", "ministack"])
def test_all_is_well(kind, make_set_up):
    it = make_set_up(kind)
    it.make()

    found = it.find()

    assert [each for each in found if each.level != "ok"] == []
    checks = {"packages", "configuration", "handlers", "leases", "database", "queue", "dead letters", "retention"}
    more = {"subscription", "filter", "raw delivery"} | (set() if kind == "broker" else {"region", "credentials"})
    assert {each.check for each in found} >= checks | more | (set() if kind == "broker" else {"encryption", "clock"})


def run(it, capsys, *flags):
    """Run the command with a program, and return its exit code and what it prints."""
    # of a name that no other test has imported
    name = f"doctor_program_{it.queue.partition('-')[2]}"
    (it.path / f"{name}.py").write_text(PROGRAM)
    it.patch.chdir(it.path)
    it.patch.setattr(sys, "path", ["", *sys.path])
    it.patch.setenv("COLUMNS", "250")
    with pytest.raises(SystemExit) as raised:
        main(["doctor", f"{name}:OrdersDaemon", *flags])
    return raised.value.code, capsys.readouterr().out


PROGRAM = """
from microcosm_pubsub import ConsumerDaemon, created, handles


@handles(created("thing"))
def take_thing(content):
    return True


class OrdersDaemon(ConsumerDaemon):
    name = "orders"
"""


def test_the_command(make_set_up, capsys):
    it = make_set_up("broker")
    flags = ["--broker-url", it.url]

    code, printed = run(it, capsys, *flags)
    assert code == 0
    assert "orders is not there yet: the daemon makes it when it starts" in printed
    assert "errors: 0" in printed

    it.sqs.create_queue(QueueName="orders")
    code, printed = run(it, capsys, *flags, "--json")
    found = loads(printed)
    assert code == 1
    assert found["counts"]["error"] == 1
    (error,) = [each for each in found["findings"] if each["level"] == "error"]
    assert (error["check"], "redrive policy" in error["text"]) == ("dead letters", True)


def test_strict_minds_warnings(make_set_up, capsys):
    it = make_set_up("broker")
    it.patch.setenv("PUBSUB_BROKER_ULR", "x")
    assert run(it, capsys, "--broker-url", it.url)[0] == 0
    code, printed = run(it, capsys, "--broker-url", it.url, "--strict")
    assert code == 1
    assert "did you mean PUBSUB_BROKER_URL?" in printed


def test_a_file_whose_folder_is_not_there(make_set_up, capsys):
    it = make_set_up("broker")
    it.patch.setenv("ORDERS__PUBSUB_DATABASE__URL", f"sqlite:///{it.path}/nowhere/orders.db")
    it.patch.setenv("ORDERS__PUBSUB_DATABASE__AUTO_UPGRADE", "true")
    code, printed = run(it, capsys, "--broker-url", f"sqlite:///{it.path}/nowhere/other.db", "--json")
    assert code == 1
    texts = [each["text"] for each in loads(printed)["findings"] if each["level"] == "error"]
    assert texts == [
        f"{it.path}/nowhere/{name}.db cannot be made: there is no folder {it.path}/nowhere"
        for name in ("orders", "other")
    ]


def test_an_empty_variable_is_none(make_set_up, capsys):
    it = make_set_up("broker")
    it.patch.setenv("ORDERS__SQS_CONSUMER__SQS_QUEUE_URL", "")
    assert run(it, capsys, "--broker-url", it.url)[0] == 0


def test_nothing_is_made(make_set_up, capsys):
    it = make_set_up("broker")
    code, printed = run(it, capsys, "--broker-url", f"sqlite:///{it.path}/other.db")
    assert code == 0
    assert "other.db is not there yet" in printed
    assert not (it.path / "other.db").exists()
    # in the one that is there, neither
    run(it, capsys, "--broker-url", it.url)
    assert not it.sqs.list_queues().get("QueueUrls")


@pytest.mark.parametrize(
    "variable",
    [
        "ORDERS__SQS_CONSUMER__LIMIT",
        "ORDERS__SQS_CONSUMER__LIMITT",  # told by what looks at keys
        "BILLING__SQS_CONSUMER__LIMIT",
        "ORDERS__POSTGRES__HOST",
        "PUBSUB_BROKER_URL",
        "AWS_REGION",
        "AWS_ROLE_ARN",
        "AWS_ENDPOINT_URL_SQS",
        "PATH",
    ],
)
def test_variables_that_are_well(variable):
    assert list(check_variables("orders", {"sqs_consumer": ["limit"]}, {variable: "x"})) == []


@pytest.mark.parametrize(
    ("clause", "is_fine"),
    [(">=1.2", True), (">=1.2.4", False), ("<2", True), ("<1.2.3", False), ("==1.2.3.0", True), ("!=1.2.3", False)],
)
def test_versions(clause, is_fine):
    assert is_allowed("1.2.3", clause) is is_fine
    assert is_allowed("1.2.3.dev1", clause) is is_fine


def test_what_cannot_be_read_is_let_through():
    assert is_allowed("1.2.3", "~=1.2")
    assert list(check_clock({}, 0)) == list(check_clock({"Date": "soon"}, 0)) == []
    assert not lets_sns("{", "kms:Decrypt")


@pytest.mark.parametrize(
    ("code", "check", "advice"),
    [
        ("AccessDenied", "rights", "allow sqs:GetQueueAttributes"),
        ("AccessDeniedException", "rights", "pubsub iam"),
        ("InvalidClientTokenId", "credentials", "correct the AWS credentials"),
        ("ExpiredToken", "credentials", "renew the AWS session token"),
        ("RequestExpired", "credentials", "correct this machine's clock"),
        ("SignatureDoesNotMatch", "credentials", "this machine's clock"),
        ("MissingAuthenticationToken", "credentials", "provide AWS credentials"),
        ("OptInRequired", "queue", "enable the region"),
        ("InvalidAddress", "queue", "correct sqs_consumer.sqs_queue_url"),
        ("ThrottlingException", "queue", "endpoint_url"),
    ],
)
def test_what_aws_refuses(code, check, advice, client_error):
    engine = Engine(None, None, "https://sqs.test")
    found = describe_failure(client_error(code, "GetQueueAttributes"), engine, "orders")
    assert (found.level, found.check) == ("error", check)
    assert advice in found.advice
    assert code in found.text
