"""Files that say what there is make it, and are made of it."""

from json import loads

import pytest

from microcosm_pubsub.broker.broker import Broker
from microcosm_pubsub.broker.queue_client import BrokerQueueClient
from microcosm_pubsub.broker.topic_client import BrokerTopicClient
from microcosm_pubsub.errors import ConfigurationError
from microcosm_pubsub.server.description import apply_description, parse_description, read_description
from microcosm_pubsub.server.export import describe, write_description


TEXT = """
queues:
  orders:
    attributes: {VisibilityTimeout: '60'}
    dead_letter_queue: orders-dead-letters
    max_receive_count: 3
    tags: {team: sales}
  orders-dead-letters: {}
  audit.fifo:
    attributes: {ContentBasedDeduplication: 'true'}
topics:
  events:
    attributes: {DisplayName: Events}
    tags: {team: sales}
    subscriptions:
      - queue: orders
        filter_policy: {kind: {nested: [a]}}
        filter_policy_scope: MessageBody
        raw: true
        dead_letter_queue: orders-dead-letters
      - protocol: http
        endpoint: http://127.0.0.1:8000/events
        raw: true
        delivery_policy: {healthyRetryPolicy: {numRetries: 5}}
      - protocol: email
        endpoint: a@example.com
  changes.fifo: {}
"""


@pytest.fixture
def broker():
    broker = Broker("sqlite://")
    broker.protocols.update(("http", "email"))
    yield broker
    broker.close()


def test_what_is_made_is_what_is_said(broker):
    description = parse_description(TEXT, "file")
    apply_description(broker, description)
    found = describe(broker)
    for name in ("orders", "orders-dead-letters"):
        assert found["queues"][name] == description["queues"][name]
    assert found["topics"]["events"] == description["topics"]["events"]
    assert parse_description(write_description(found), "export") == found
    other = Broker("sqlite://")
    other.protocols.update(("http", "email"))
    apply_description(other, found)
    assert describe(other) == found
    other.close()


def test_what_is_there_is_changed(broker):
    apply_description(broker, parse_description(TEXT, "file"))
    changed = TEXT.replace("'60'", "90").replace("{kind: {nested: [a]}}", "{kind: [b]}").replace("MessageBody", "")
    apply_description(broker, parse_description(changed, "file"))
    found = describe(broker)
    assert found["queues"]["orders"]["attributes"] == {"VisibilityTimeout": "90"}
    subscription, *_ = found["topics"]["events"]["subscriptions"]
    assert subscription["filter_policy"] == {"kind": ["b"]}
    assert subscription["filter_policy_scope"] == "MessageAttributes"


def test_a_dead_letter_queue_is_made_as_well(broker):
    apply_description(broker, {"queues": {"orders": {"dead_letter_queue": "rest"}}})
    attributes = BrokerQueueClient(broker).get_queue_attributes(QueueUrl="orders", AttributeNames=["All"])
    assert loads(attributes["Attributes"]["RedrivePolicy"])["maxReceiveCount"] == 5
    assert BrokerQueueClient(broker).get_queue_url(QueueName="rest")
    assert BrokerTopicClient(broker).list_topics()["Topics"] == []


def test_an_empty_file_says_nothing(broker):
    apply_description(broker, parse_description("", "file"))
    assert describe(broker) == {"queues": {}, "topics": {}}


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("queues: [", "neither YAML nor JSON"),
        ("[]", "must be a mapping"),
        ("queue: {}", "file has queue; what is known there is queues, topics"),
        ("queues: [orders]", "must be a mapping of names"),
        ("queues: {orders: {visibility: 5}}", "queue orders has visibility"),
        ("topics: {events: {subscriptions: [{url: a}]}}", "a subscription of topic events has url"),
        ("queues: {orders: {attributes: [a]}}", "queue orders: attributes must be a mapping of names"),
        ("queues: {orders: {tags: 5}}", "queue orders: tags must be a mapping of names"),
        ("topics: {events: {attributes: a}}", "topic events: attributes must be a mapping of names"),
        ("topics: {events: {tags: [a]}}", "topic events: tags must be a mapping of names"),
        ("topics: {events: {subscriptions: 5}}", "topic events: subscriptions must be a list"),
        ("topics: {events: {subscriptions: {queue: orders}}}", "topic events: subscriptions must be a list"),
    ],
)
def test_what_says_something_else_is_refused(text, fault):
    if text == "[]":
        text = "- a"
    with pytest.raises(ConfigurationError, match=fault):
        parse_description(text, "file")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("queues: {orders: {attributes: {VisibilityTimeout: -1}}}", "Cannot make queue orders"),
        ("queues: {'not a name': {}}", "Cannot make queue not a name"),
        ("topics: {events: {subscriptions: [{raw: true}]}}", "must name its queue"),
        ("topics: {events: {subscriptions: [{queue: a, protocol: sqs}]}}", "must name its queue, or"),
        ("topics: {events: {subscriptions: [{protocol: https, endpoint: 'https://a/'}]}}", "--allow-http-delivery"),
        ("topics: {events: {subscriptions: [{queue: a, filter_policy: {a: 1}}]}}", "subscription of a"),
    ],
)
def test_what_the_broker_refuses_is_told(broker, text, fault):
    with pytest.raises(ConfigurationError, match=fault):
        apply_description(broker, parse_description(text, "file"))


def test_a_date_of_yaml_is_text(broker):
    text = "queues: {orders: {attributes: {Policy: {Version: 2012-10-17}}}}"
    apply_description(broker, parse_description(text, "file"))
    assert describe(broker)["queues"]["orders"]["attributes"] == {"Policy": '{"Version": "2012-10-17"}'}


def test_a_file_that_is_not_there_is_told(tmp_path):
    with pytest.raises(ConfigurationError, match="Cannot read"):
        read_description(tmp_path / "none.yaml")
