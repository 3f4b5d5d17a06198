"""
Statements of policies, which AddPermission and RemovePermission keep.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_AddPermission.html
https://docs.aws.amazon.com/sns/latest/api/API_AddPermission.html
"""

from json import loads

import pytest


ACCOUNT = "123456789012"


def statements_of_queue(subject, queue_url):
    policy = subject.attributes(queue_url, "Policy")["Policy"]
    return {statement["Sid"]: statement for statement in loads(policy)["Statement"]}


def statements_of_topic(subject, topic_arn):
    policy = subject.sns.get_topic_attributes(TopicArn=topic_arn)["Attributes"]["Policy"]
    return {statement["Sid"]: statement for statement in loads(policy)["Statement"]}


def as_list(value):
    return value if isinstance(value, list) else [value]


def test_queue_permission(subject):
    url = subject.create_queue()
    for label, actions in (("send", ["SendMessage"]), ("all", ["ReceiveMessage", "DeleteMessage"])):
        subject.sqs.add_permission(QueueUrl=url, Label=label, AWSAccountIds=[ACCOUNT], Actions=actions)
    found = statements_of_queue(subject, url)
    assert set(found) == {"send", "all"}
    assert [action.lower() for action in as_list(found["send"]["Action"])] == ["sqs:sendmessage"]
    assert len(as_list(found["all"]["Action"])) == 2
    assert ACCOUNT in str(found["send"]["Principal"])
    assert found["send"]["Resource"] == subject.arn(url)
    subject.sqs.remove_permission(QueueUrl=url, Label="send")
    assert set(statements_of_queue(subject, url)) == {"all"}


def test_queue_permission_refused(subject, refused):
    url = subject.create_queue()
    subject.sqs.add_permission(QueueUrl=url, Label="send", AWSAccountIds=[ACCOUNT], Actions=["SendMessage"])
    with refused("InvalidParameterValue"):
        subject.sqs.add_permission(QueueUrl=url, Label="send", AWSAccountIds=[ACCOUNT], Actions=["SendMessage"])
    with refused("InvalidParameterValue"):
        subject.sqs.remove_permission(QueueUrl=url, Label="other")


def test_topic_permission(subject):
    arn = subject.create_topic()
    before = set(statements_of_topic(subject, arn))
    subject.sns.add_permission(TopicArn=arn, Label="send", AWSAccountId=[ACCOUNT], ActionName=["Publish"])
    found = statements_of_topic(subject, arn)
    assert set(found) == {*before, "send"}
    assert [action.lower() for action in as_list(found["send"]["Action"])] == ["sns:publish"]
    subject.sns.remove_permission(TopicArn=arn, Label="send")
    assert set(statements_of_topic(subject, arn)) == before


@pytest.mark.parametrize("count", [1, 2, 5])
def test_queues_in_pages(subject, count):
    prefix = subject.unique("page")
    names = sorted(f"{prefix}-{number}" for number in range(5))
    for name in names:
        subject.sqs.create_queue(QueueName=name)
    found, token = [], {}
    while True:
        answer = subject.sqs.list_queues(QueueNamePrefix=prefix, MaxResults=count, **token)
        assert len(answer["QueueUrls"]) <= count
        found += [url.rpartition("/")[2] for url in answer["QueueUrls"]]
        if "NextToken" not in answer:
            break
        token = {"NextToken": answer["NextToken"]}
    assert sorted(found) == names


def test_sources_in_pages(subject):
    dead = subject.create_queue()
    policy = f'{{"deadLetterTargetArn": "{subject.arn(dead)}", "maxReceiveCount": "1"}}'
    sources = {subject.create_queue(RedrivePolicy=policy).rpartition("/")[2] for _ in range(3)}
    first = subject.sqs.list_dead_letter_source_queues(QueueUrl=dead, MaxResults=2)
    assert len(first["queueUrls"]) == 2
    rest = subject.sqs.list_dead_letter_source_queues(QueueUrl=dead, MaxResults=2, NextToken=first["NextToken"])
    assert "NextToken" not in rest
    assert {url.rpartition("/")[2] for url in first["queueUrls"] + rest["queueUrls"]} == sources
