"""
Receiving what a queue holds, each message once, and giving it back.
"""

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from microcosm_pubsub.dead_letters.scan import Scan


DOWN = EndpointConnectionError(endpoint_url="http://x")


def bodies(messages):
    return [message["Body"] for message in messages]


@pytest.mark.parametrize("count", [0, 1, 10, 25])
def test_each_message_once(box, count):
    sent = [str(index) for index in range(count)]
    box.send(*sent)

    with box.scan() as scan:
        assert sorted(bodies(scan), key=int) == sent
        assert box.hidden == count

    assert box.hidden == 0
    assert {message.receive_count for message in box.stored()} <= {1}
    assert (scan.seen, scan.expected, scan.unreleased) == (count, count, 0)


def test_a_scan_that_is_not_finished_gives_all_back(box):
    box.send(*map(str, range(25)))

    with pytest.raises(ZeroDivisionError), box.scan() as scan:
        1 / len(scan.receive()[10:])

    assert box.hidden == 0


def test_limit(box):
    box.send(*map(str, range(25)))

    with box.scan(limit=13) as scan:
        assert len(list(scan)) == 13
        # what is not asked for is not touched
        assert box.hidden == 13


def test_stopped(box):
    box.send(*map(str, range(25)))
    stopped = []

    with box.scan(stopped=lambda: bool(stopped)) as scan:
        assert len(scan.receive()) == 10
        stopped.append(True)
        assert scan.receive() == []

    assert box.hidden == 0


def test_what_is_sent_later_is_not_looked_at(box, clock):
    box.send("a", "b")

    with box.scan() as scan:
        clock.advance(0.001)
        box.send("c", "d")
        assert bodies(scan) == ["a", "b"]

    assert scan.later == 2
    assert box.hidden == 0


def test_it_ends_while_others_send(box, clock):
    box.send("a")

    with box.scan() as scan:
        for message in scan:
            clock.advance(1)
            box.send(message["Body"] + "a")

    assert scan.seen == 1


def test_what_others_hide_is_not_seen_and_told(box):
    box.send(*"abc")
    box.client.receive_message(QueueUrl=box.dead, VisibilityTimeout=100)

    with box.scan() as scan:
        assert len(list(scan)) == 2

    assert (scan.expected, scan.hidden) == (2, 1)
    assert box.hidden == 1


def test_the_queues_clock_counts(box, clock, spoil):
    """A queue that answers over HTTP says what time it is there."""
    box.send("a")
    client = spoil(box.client)
    call = box.client.get_queue_attributes

    def get_queue_attributes(**parameters):
        answer = call(**parameters)
        return {**answer, "ResponseMetadata": {"HTTPHeaders": {"date": "Sun, 15 Jun 2025 15:06:40 GMT"}}}

    client.get_queue_attributes = get_queue_attributes
    # our clock is an hour behind
    with box.scan(client, now=lambda: clock() - 3600) as scan:
        assert bodies(scan) == ["a"]


def test_without_the_right_to_read_counts(box, spoil):
    box.send(*map(str, range(12)))
    denied = ClientError({"Error": {"Code": "AccessDenied"}}, "GetQueueAttributes")
    client = spoil(box.client, down={"get_queue_attributes": [denied]})

    with box.scan(client) as scan:
        assert len(list(scan)) == 12

    assert scan.expected is None
    # without a count, nothing new has to come a few times in a row
    assert [method for method, _ in client.calls].count("receive_message") == 5


def test_a_missing_queue_is_an_error(box):
    with pytest.raises(ClientError, match="NonExistentQueue"), Scan(box.client, "http://broker/000000000000/missing"):
        pass


def test_more_than_can_be_hidden(box, spoil):
    box.send(*map(str, range(25)))
    full = ClientError({"Error": {"Code": "OverLimit"}}, "ReceiveMessage")
    client = spoil(box.client, down={"receive_message": [None, full]})

    with box.scan(client) as scan:
        assert len(list(scan)) == 10

    assert box.hidden == 0


def test_a_receive_that_fails_gives_all_back(box, spoil):
    box.send(*map(str, range(25)))
    client = spoil(box.client, down={"receive_message": [None, DOWN]})

    with pytest.raises(EndpointConnectionError), box.scan(client) as scan:
        list(scan)

    assert box.hidden == 0


class TestLeases:
    def test_more_time_is_asked_for_while_it_is_needed(self, box, clock):
        box.send(*map(str, range(12)))

        with box.scan() as scan:
            seen = bodies(scan)
            for _ in range(10):
                clock.advance(40)
                scan.keep()
                assert box.hidden == 12
            assert len(seen) == len(set(seen)) == 12

        assert {message.receive_count for message in box.stored()} == {1}

    def test_no_more_often_than_needed(self, box, clock, spoil):
        box.send("a")
        client = spoil(box.client)

        with box.scan(client) as scan:
            list(scan)
            clock.advance(29)
            scan.keep()
            assert [method for method, _ in client.calls].count("change_message_visibility_batch") == 0

    def test_killed_it_leaves_nothing_hidden_for_longer(self, box, clock):
        box.send("a")
        list(box.scan())
        assert box.hidden == 1

        clock.advance(60)
        assert box.hidden == 0

    def test_where_much_is_hidden_it_is_hidden_for_longer(self, box, spoil):
        client = spoil(box.client)
        answer = {"Attributes": {"ApproximateNumberOfMessages": "30000"}}
        client.get_queue_attributes = lambda **parameters: answer

        with box.scan(client) as scan:
            assert scan.visibility_seconds == 300
        with box.scan(client, limit=100) as scan:
            assert scan.visibility_seconds == 60

    def test_a_lapsed_message_comes_once_all_the_same(self, box, clock):
        box.send("a", "b")

        with box.scan() as scan:
            first = scan.receive()
            clock.advance(61)
            assert not any(map(scan.holds, first))
            assert scan.receive() == []
            # received again, and so ours again
            assert all(map(scan.holds, first))

        assert box.hidden == 0

    def test_what_is_somebody_elses_is_let_go(self, box, clock):
        box.send("a")

        with box.scan() as scan:
            (message,) = scan
            clock.advance(61)
            (theirs,) = box.receive(VisibilityTimeout=100)
            scan.keep()
            assert not scan.holds(message)

        assert theirs["MessageId"] == message["MessageId"]
        # and not released
        assert box.hidden == 1


class TestReleasing:
    def test_but_for_one(self, box):
        box.send(*map(str, range(12)))

        with box.scan() as scan:
            kept = next(message for message in scan if message["Body"] == "7")
            scan.release(keeping=kept)
            assert box.hidden == 1
            assert scan.holds(kept)

        assert box.hidden == 0

    def test_tried_twice(self, box, spoil):
        box.send(*map(str, range(12)))
        client = spoil(box.client, down={"change_message_visibility_batch": [DOWN, DOWN]})

        with box.scan(client) as scan:
            list(scan)

        assert box.hidden == 0

    def test_what_cannot_be_released_is_told(self, box, spoil):
        box.send(*"abc")
        client = spoil(box.client, {"change_message_visibility_batch": lambda entry: "InternalError"})

        with box.scan(client) as scan:
            list(scan)

        assert scan.unreleased == box.hidden == 3


class TestDeleting:
    def test_what_is_deleted_is_not_released(self, box):
        box.send(*map(str, range(12)))

        with box.scan() as scan:
            messages = list(scan)
            assert scan.delete(messages[:11]) == []

        assert box.bodies() == [messages[11]["Body"]]

    def test_tried_twice(self, box, spoil):
        box.send(*"abc")
        client = spoil(box.client, down={"delete_message_batch": [DOWN]})

        with box.scan(client) as scan:
            assert scan.delete(list(scan)) == []

        assert box.stored() == []

    def test_what_cannot_be_deleted_is_told_and_given_back(self, box, spoil):
        box.send(*"abc")
        with box.scan() as scan:
            messages = list(scan)
            handles = {message["ReceiptHandle"] for message in messages if message["Body"] == "b"}
            refuse = {"delete_message_batch": lambda entry: entry["ReceiptHandle"] in handles and "InternalError"}
            scan.client = spoil(box.client, refuse)
            assert bodies(scan.delete(messages)) == ["b"]

        assert box.bodies() == ["b"]
        assert box.hidden == 0


class TestFifo:
    def test_the_first_ten_of_each_group_are_seen(self, fifo_box):
        fifo_box.send(*(f"g{index}" for index in range(12)), group="g")
        fifo_box.send(*(f"h{index}" for index in range(3)), group="h")

        with fifo_box.scan() as scan:
            assert bodies(scan) == [f"g{index}" for index in range(10)] + [f"h{index}" for index in range(3)]

        assert (scan.seen, scan.expected) == (13, 15)
        assert fifo_box.hidden == 0

    def test_releasing_keeps_the_order(self, fifo_box):
        sent = [f"g{index}" for index in range(10)]
        fifo_box.send(*sent)
        for _ in range(2):
            with fifo_box.scan() as scan:
                assert bodies(scan) == sent

        assert bodies(fifo_box.receive()) == sent

    def test_what_is_deleted_makes_room_for_what_comes_after(self, fifo_box):
        sent = [f"g{index}" for index in range(25)]
        fifo_box.send(*sent)
        seen = []

        with fifo_box.scan() as scan:
            while messages := scan.receive():
                seen += bodies(messages)
                scan.delete(messages)

        assert seen == sent
        assert fifo_box.stored() == []
