"""
Filter policies: which messages of a topic come to a queue.
"""

from json import dumps

import pytest


def text(value):
    return {"DataType": "String", "StringValue": value}


def number(value):
    return {"DataType": "Number", "StringValue": str(value)}


def texts(*values):
    return {"DataType": "String.Array", "StringValue": dumps(values)}


RED = {"colour": text("red")}

#: Of message attributes: the policy, those that match, those that do not.
#: https://docs.aws.amazon.com/sns/latest/dg/string-value-matching.html
ATTRIBUTES = {
    "exact": ({"colour": ["red", "blue"]}, [RED], [{"colour": text("green")}, {"colour": text("Red")}, {}]),
    "both": ({"colour": ["red"], "size": ["big"]}, [{**RED, "size": text("big")}], [RED]),
    "array": ({"colour": ["red"]}, [{"colour": texts("green", "red")}], [{"colour": texts("green", "blue")}]),
    "prefix": ({"colour": [{"prefix": "re"}]}, [RED], [{"colour": text("green")}]),
    "suffix": ({"colour": [{"suffix": "ed"}]}, [RED], [{"colour": text("green")}]),
    "anything-but": ({"colour": [{"anything-but": ["red", "blue"]}]}, [{"colour": text("green")}], [RED, {}]),
    "anything-but prefix": ({"colour": [{"anything-but": {"prefix": "re"}}]}, [{"colour": text("green")}], [RED]),
    "equals-ignore-case": ({"colour": [{"equals-ignore-case": "RED"}]}, [RED], [{"colour": text("green")}]),
    "exists": ({"colour": [{"exists": True}]}, [RED], [{"size": text("big")}, {}]),
    # https://docs.aws.amazon.com/sns/latest/dg/attribute-key-matching.html
    "exists not": ({"colour": [{"exists": False}]}, [{"size": text("big")}], [RED, {}]),
    "numeric equal": ({"size": [{"numeric": ["=", 5]}]}, [{"size": number("5.0")}], [{"size": number(6)}]),
    "numeric range": (
        {"size": [{"numeric": [">", 0, "<=", 100]}]},
        [{"size": number(100)}, {"size": number(0.1)}],
        [{"size": number(0)}, {"size": number(101)}, {"size": text("5")}],
    ),
    "number": ({"size": [5]}, [{"size": number(5)}], [{"size": number(6)}]),
    "or": (
        {"$or": [{"colour": ["red"]}, {"size": [{"numeric": [">", 3]}]}]},
        [RED, {"size": number(4)}],
        [{"colour": text("green"), "size": number(3)}],
    ),
    "either of two conditions": (
        {"colour": [{"prefix": "re"}, {"suffix": "en"}]},
        [RED, {"colour": text("green")}],
        [{"colour": text("blue")}],
    ),
}

#: Of the body, as JSON.
#: https://docs.aws.amazon.com/sns/latest/dg/sns-message-filtering-scope.html
BODIES = {
    "exact": ({"colour": ["red"]}, [{"colour": "red"}], [{"colour": "green"}, {}]),
    "nested": ({"order": {"size": ["big"]}}, [{"order": {"size": "big"}}], [{"size": "big"}, {"order": "big"}]),
    "array": ({"colours": ["red"]}, [{"colours": ["green", "red"]}], [{"colours": ["green"]}]),
    "array of objects": (
        {"items": {"size": ["big"]}},
        [{"items": [{"size": "small"}, {"size": "big"}]}],
        [{"items": [{"size": "small"}]}],
    ),
    "prefix": ({"colour": [{"prefix": "re"}]}, [{"colour": "red"}], [{"colour": "green"}]),
    "suffix": ({"colour": [{"suffix": "ed"}]}, [{"colour": "red"}], [{"colour": "green"}]),
    "anything-but": ({"colour": [{"anything-but": ["red"]}]}, [{"colour": "green"}], [{"colour": "red"}]),
    "numeric": ({"size": [{"numeric": [">=", 5]}]}, [{"size": 5}, {"size": 7.5}], [{"size": 4}, {"size": "7"}]),
    "exists": ({"order": {"size": [{"exists": True}]}}, [{"order": {"size": 1}}], [{"order": {}}]),
    "exists not": ({"size": [{"exists": False}]}, [{"colour": "red"}], [{"size": 1}]),
    "null": ({"size": [None]}, [{"size": None}], [{"size": 0}, {}]),
    "boolean": ({"big": [True]}, [{"big": True}], [{"big": False}, {"big": "true"}]),
    "or": (
        {"$or": [{"colour": ["red"]}, {"size": [1]}]},
        [{"colour": "red"}, {"size": 1}],
        [{"colour": "green", "size": 2}],
    ),
}


def subscribe(subject, policy, **more):
    topic, queue = subject.create_topic(), subject.create_queue()
    subject.subscribe(topic, queue, RawMessageDelivery="true", FilterPolicy=dumps(policy), **more)
    return topic, queue


@pytest.mark.parametrize("case", ATTRIBUTES)
def test_attributes(subject, case):
    """https://docs.aws.amazon.com/sns/latest/dg/sns-subscription-filter-policies.html"""
    policy, matching, others = ATTRIBUTES[case]
    topic, queue = subscribe(subject, policy)
    for body, group in (("matches", matching), ("differs", others)):
        for index, attributes in enumerate(group):
            subject.sns.publish(TopicArn=topic, Message=f"{body} {index}", MessageAttributes=attributes)
    assert sorted(subject.bodies(queue)) == [f"matches {index}" for index in range(len(matching))]


@pytest.mark.parametrize("case", BODIES)
def test_body(subject, case):
    """https://docs.aws.amazon.com/sns/latest/dg/sns-message-filtering-scope.html"""
    policy, matching, others = BODIES[case]
    topic, queue = subscribe(subject, policy, FilterPolicyScope="MessageBody")
    for body in [*matching, *others]:
        subject.sns.publish(TopicArn=topic, Message=dumps(body))
    assert sorted(subject.bodies(queue)) == sorted(dumps(body) for body in matching)


def test_body_is_no_json(subject):
    """https://docs.aws.amazon.com/sns/latest/dg/sns-message-filtering-scope.html"""
    topic, queue = subscribe(subject, {"colour": ["red"]}, FilterPolicyScope="MessageBody")
    subject.sns.publish(TopicArn=topic, Message="red")
    subject.sns.publish(TopicArn=topic, Message='["red"]')
    assert subject.depth(queue) == (0, 0, 0)


def test_change_of_policy(subject):
    """https://docs.aws.amazon.com/sns/latest/api/API_SetSubscriptionAttributes.html"""
    topic, queue = subject.create_topic(), subject.create_queue()
    arn = subject.subscribe(topic, queue, RawMessageDelivery="true", FilterPolicy=dumps({"colour": ["blue"]}))
    subject.sns.publish(TopicArn=topic, Message="before", MessageAttributes=RED)
    subject.sns.set_subscription_attributes(
        SubscriptionArn=arn, AttributeName="FilterPolicy", AttributeValue=dumps({"colour": ["red"]})
    )
    subject.sns.publish(TopicArn=topic, Message="after", MessageAttributes=RED)
    assert subject.bodies(queue) == ["after"]


def test_batch(subject):
    """https://docs.aws.amazon.com/sns/latest/api/API_PublishBatch.html"""
    topic, queue = subscribe(subject, {"colour": ["red"]})
    entries = [
        {"Id": "0", "Message": "a", "MessageAttributes": RED},
        {"Id": "1", "Message": "b", "MessageAttributes": {"colour": text("blue")}},
    ]
    answer = subject.sns.publish_batch(TopicArn=topic, PublishBatchRequestEntries=entries)
    # whom a message does not concern, it does not reach; it is published all the same
    assert len(answer["Successful"]) == 2
    assert subject.bodies(queue) == ["a"]


@pytest.mark.parametrize(
    "policy",
    [
        {"colour": [{"shape": "round"}]},
        {"colour": [{"prefix": 5}]},
        {"size": [{"numeric": ["~", 5]}]},
        {"size": [{"numeric": []}]},
        {"colour": []},
        {"$or": [{"colour": ["red"]}]} | {"colour": "red"},
    ],
    ids=str,
)
def test_policy_refused(subject, refused, policy):
    """https://docs.aws.amazon.com/sns/latest/dg/subscription-filter-policy-constraints.html"""
    topic, queue = subject.create_topic(), subject.create_queue()
    with refused("InvalidParameter"):
        subject.subscribe(topic, queue, FilterPolicy=dumps(policy))
