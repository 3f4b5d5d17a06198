"""
SQS's own move task, the queues of an account, a rate, and lines of JSON.
"""

from itertools import count

import pytest
from botocore.exceptions import ClientError

from microcosm_pubsub.dead_letters.native import MoveTask
from microcosm_pubsub.dead_letters.rate import TokenBucket
from microcosm_pubsub.dead_letters.sender import QueueSender
from microcosm_pubsub.dead_letters.sources import (
    account_of,
    describe_queue,
    find_dead_letter_queue,
    iter_queues,
    name_of,
)
from microcosm_pubsub.dead_letters.transfer import from_line, to_line
from microcosm_pubsub.errors import ConfigurationError, DecodeError


UNSUPPORTED = ClientError({"Error": {"Code": "InvalidAction"}}, "StartMessageMoveTask")


class TestMoveTask:
    def start(self, box, rate=None):
        return MoveTask.start(box.client, box.arn(box.dead), box.arn(box.source), rate)

    def test_all_at_once(self, box):
        box.send(*map(str, range(5)))

        (progress,) = self.start(box).follow(lambda seconds: pytest.fail("it has ended"))

        assert (progress.status, progress.moved, progress.total) == ("COMPLETED", 5, 5)
        assert len(box.stored(box.source)) == 5
        assert MoveTask.find_running(box.client, box.arn(box.dead)) is None

    def test_at_a_rate(self, box, clock):
        box.send(*map(str, range(5)))

        def pause(seconds):
            clock.advance(seconds)
            return False

        moved = [progress.moved for progress in self.start(box, rate=2).follow(pause)]

        assert moved == [2, 4, 5]

    def test_cancelled(self, box):
        box.send(*map(str, range(5)))
        task = self.start(box, rate=1)
        running = MoveTask.find_running(box.client, box.arn(box.dead))

        # not ours to cancel
        running.cancel()
        assert running.read_progress().status == "RUNNING"
        assert [progress.moved for progress in task.follow(lambda seconds: True)] == [1]
        task.cancel()

        assert task.read_progress().status == "CANCELLED"
        assert len(box.stored()) == 4

    def test_where_it_is_not_to_be_had(self, box, spoil):
        client = spoil(box.client, down={"start_message_move_task": [UNSUPPORTED]})

        assert MoveTask.start(client, "a", "b") is None
        assert MoveTask.start(object(), "a", "b") is None
        assert MoveTask.find_running(object(), "a") is None
        assert MoveTask.find_running(box.client, box.arn(box.dead)) is None


class TestQueues:
    def test_of_an_account(self, box):
        box.send("a")
        box.receive(VisibilityTimeout=100)
        box.send("b", "c")

        source, dead = iter_queues(box.client)

        assert (source.name, source.target_arn, source.arn) == ("orders", dead.arn, box.arn(box.source))
        assert (dead.name, dead.visible, dead.hidden, dead.target_arn) == ("orders-dead-letters", 2, 1, None)
        assert [queue.name for queue in iter_queues(box.client, "orders-")] == ["orders-dead-letters"]

    def test_many(self, box, spoil):
        client = spoil(box.client)
        call = box.client.list_queues
        client.list_queues = lambda **parameters: call(**{**parameters, "MaxResults": 1})

        assert len(list(iter_queues(client))) == 2

    def test_one_that_is_deleted_meanwhile(self, box, spoil):
        gone = ClientError({"Error": {"Code": "AWS.SimpleQueueService.NonExistentQueue"}}, "GetQueueAttributes")

        assert len(list(iter_queues(spoil(box.client, down={"get_queue_attributes": [gone]})))) == 1
        with pytest.raises(ClientError):
            list(iter_queues(spoil(box.client, down={"get_queue_attributes": [UNSUPPORTED]})))

    def test_the_only_dead_letter_queue(self, box):
        assert find_dead_letter_queue(box.client) == box.dead

        other = box.create("other-dead")
        policy = f'{{"deadLetterTargetArn": "{box.arn(other)}", "maxReceiveCount": 1}}'
        box.create("other", RedrivePolicy=policy)
        with pytest.raises(ConfigurationError, match="--queue-url: orders-dead-letters, other-dead"):
            find_dead_letter_queue(box.client)
        box.client.delete_queue(QueueUrl=box.source)
        assert find_dead_letter_queue(box.client) == other
        box.client.delete_queue(QueueUrl=box.url("other"))
        with pytest.raises(ConfigurationError, match="there is none"):
            find_dead_letter_queue(box.client)

    def test_without_counts(self, box, spoil):
        client = spoil(box.client)
        client.get_queue_attributes = lambda **parameters: {}

        assert describe_queue(client, box.dead).visible == 0

    @pytest.mark.parametrize(
        ("url_or_arn", "name", "account"),
        [
            ("https://sqs.eu-west-1.amazonaws.com/123456789012/orders", "orders", "123456789012"),
            ("arn:aws:sqs:eu-west-1:123456789012:orders.fifo", "orders.fifo", "123456789012"),
            ("orders", "orders", None),
        ],
    )
    def test_names(self, url_or_arn, name, account):
        assert (name_of(url_or_arn), account_of(url_or_arn)) == (name, account)


class TestRate:
    def test_without_one(self, clock):
        assert TokenBucket(None, clock).take(1000) == 1000

    @pytest.mark.parametrize("rate", [0.3, 1, 7, 100])
    def test_no_more_than_that(self, clock, rate):
        bucket = TokenBucket(rate, clock)
        began, taken = clock(), 0

        for _ in range(200):
            if not (got := bucket.take(10)):
                clock.advance(bucket.wait_seconds)
            taken += got
            assert taken <= max(1, rate) + (clock() - began) * rate + 1e-6

        # and no less
        assert taken >= (clock() - began) * rate - 1


class TestLines:
    def test_there_and_back(self, box):
        attributes = {
            "blob": {"DataType": "Binary.png", "BinaryValue": bytes(range(256))},
            "text": {"DataType": "String", "StringValue": "é"},
        }
        box.send('{"a": "é\n"}', attributes=attributes, MessageGroupId="g")
        (message,) = box.receive()
        line = to_line(message)
        assert "\n" not in line
        assert "ReceiptHandle" not in line

        outgoing = from_line(line.encode(), "token")
        assert QueueSender(box.client, box.source).send([outgoing]) == [None]

        (copy,) = box.receive(box.source)
        assert (copy["Body"], copy["MessageAttributes"]) == (message["Body"], message["MessageAttributes"])
        assert copy["Attributes"]["MessageGroupId"] == "g"

    def test_the_same_message_is_imported_as_often_as_it_is_told_to_a_fifo_queue(self, fifo_box):
        line = b'{"Body": "a"}'
        numbers = count()

        for _ in range(2):
            sender = QueueSender(fifo_box.client, fifo_box.source)
            assert sender.send([from_line(line, f"run:{next(numbers)}")]) == [None]

        assert fifo_box.bodies(fifo_box.source) == ["a", "a"]

    @pytest.mark.parametrize(
        ("line", "why"),
        [
            (b"no json", "no JSON"),
            (b"\xff", "no JSON"),
            (b"[" * 100_000, "no JSON"),
            (b"[]", "Body"),
            (b'{"mediaType": "a"}', "Body"),
            (b'{"Body": ""}', "Body"),
            (b'{"Body": {}}', "Body"),
            (b'{"Body": "a", "Attributes": 7}', "`Attributes`"),
            (b'{"Body": "a", "MessageAttributes": {"x": "y"}}', "'x' has no `DataType`"),
            (b'{"Body": "a", "MessageAttributes": {"x": {"DataType": "Binary", "BinaryValue": "*"}}}', "base64"),
        ],
    )
    def test_what_is_no_message(self, line, why):
        with pytest.raises(DecodeError, match=why):
            from_line(line, "token")
