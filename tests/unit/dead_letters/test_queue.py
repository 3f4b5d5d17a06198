"""
Where the dead-letter queue is.
"""

import logging
from json import dumps

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from microcosm_pubsub.dead_letters.queue import DeadLetterQueue, sibling_url, target_of_policy
from microcosm_pubsub.errors import ConfigurationError
from microcosm_pubsub.reader import Reader


DENIED = ClientError({"Error": {"Code": "AccessDenied"}}, "Call")


def queue_of(client, box, **options):
    return DeadLetterQueue(client, box.source, clock=box.clock, **options)


def test_configuration_wins_and_makes_no_call(box, spoil):
    client = spoil(box.client)

    queue = queue_of(client, box, url="https://elsewhere/dead")

    assert queue.find() == "https://elsewhere/dead"
    assert queue.source == box.source
    assert client.calls == []


def test_redrive_policy_is_read_once(box, spoil):
    client = spoil(box.client)
    queue = queue_of(client, box)
    assert client.calls == []

    assert [queue.find() for _ in range(3)] == [box.dead] * 3
    assert [method for method, _ in client.calls] == ["get_queue_attributes", "get_queue_url"]
    assert queue.source == box.arn(box.source)


def test_without_a_policy_there_is_none_until_somebody_sets_one(box, spoil, clock):
    bare = box.create("bare")
    client = spoil(box.client)
    queue = DeadLetterQueue(client, bare, clock=clock)

    assert queue.find() is None
    assert queue.find() is None
    assert len(client.calls) == 1
    assert queue.source == box.arn(bare)

    policy = dumps({"deadLetterTargetArn": box.arn(box.dead), "maxReceiveCount": 3})
    box.client.set_queue_attributes(QueueUrl=bare, Attributes={"RedrivePolicy": policy})
    clock.advance(300)
    assert queue.find() == box.dead


def test_denied_means_none(box, spoil, clock, caplog):
    client = spoil(box.client, down={"get_queue_attributes": [DENIED]})
    queue = queue_of(client, box)

    assert queue.find() is None
    right = "AccessDenied (allow sqs:GetQueueAttributes on it, and sqs:GetQueueUrl on its dead-letter queue)"
    assert f"Cannot read the redrive policy of {box.source}: {right}" in caplog.text
    clock.advance(299)
    assert queue.find() is None
    assert len(client.calls) == 1
    assert queue.source == box.source


def test_an_error_that_may_pass_is_soon_tried_again(box, spoil, clock, caplog):
    error = EndpointConnectionError(endpoint_url="http://x")
    client = spoil(box.client, down={"get_queue_attributes": [error]})
    queue = queue_of(client, box)

    with caplog.at_level(logging.INFO):
        assert queue.find() is None
    assert f"Cannot read the redrive policy of {box.source}: EndpointConnectionError" in caplog.text
    clock.advance(10)
    assert queue.find() == box.dead


def test_an_answer_without_what_was_asked_for_says_nothing(box, monkeypatch, clock):
    """Something on the way may have made it up; messages would be hidden for hours, as if there were no such queue."""
    answers = [{}, {"Attributes": {}}]
    get_attributes = box.client.get_queue_attributes
    monkeypatch.setattr(
        box.client, "get_queue_attributes", lambda **asked: answers.pop() if answers else get_attributes(**asked)
    )
    queue = queue_of(box.client, box)
    for _ in range(2):
        assert queue.find() is None
        assert not queue.is_missing
        clock.advance(10)

    assert queue.find() == box.dead


def test_without_the_right_to_look_up_urls_it_is_beside_its_source(box, spoil):
    client = spoil(box.client, down={"get_queue_url": [DENIED]})

    assert queue_of(client, box).find() == box.dead


def test_a_dead_letter_queue_that_is_gone_is_none(box):
    box.client.delete_queue(QueueUrl=box.dead)

    assert queue_of(box.client, box).find() is None


def test_what_is_no_queue_has_none():
    assert DeadLetterQueue(Reader(), "file.jsonl").find() is None


def test_a_queue_is_not_its_own_dead_letter_queue(box):
    with pytest.raises(ConfigurationError, match="its own"):
        queue_of(box.client, box, url=box.source)


@pytest.mark.parametrize(
    "policy", [None, "", "{", "[]", "{}", '{"deadLetterTargetArn": 7}', '{"deadLetterTargetArn": "x"}']
)
def test_policies_that_name_no_queue(policy):
    assert target_of_policy(policy) is None


def test_sibling():
    assert sibling_url("https://sqs.eu-west-1.amazonaws.com/1/a", "b") == "https://sqs.eu-west-1.amazonaws.com/1/b"
    assert sibling_url("a", "b") is None
