"""
Sending dead letters back.
"""

from collections import Counter

import pytest
from botocore.exceptions import EndpointConnectionError

from microcosm_pubsub.dead_letters.letter import read_outside
from microcosm_pubsub.dead_letters.rate import TokenBucket
from microcosm_pubsub.dead_letters.reason import Reason, add_reason, count_redrives
from microcosm_pubsub.dead_letters.redrive import BLOCKED, FILTERED, LOST, Redrive
from microcosm_pubsub.dead_letters.sources import Targets, describe_queue


def work(box, scan, choose=lambda letter: True, to=None, client=None, **options):
    targets = Targets(client or box.client, describe_queue(box.client, box.dead), to)

    def pause(seconds):
        box.clock.advance(seconds)
        return False

    return Redrive(scan, targets, **{"read": read_outside, "choose": choose, "pause": pause, **options})


def redrive(box, choose=lambda letter: True, client=None, **options):
    with box.scan(client) as scan:
        found = work(box, scan, choose, client=client, **options)
        found.run()
    assert box.hidden == 0
    return found


def with_reason(**fields):
    return add_reason({}, Reason("FAILED", **fields))


def body_is_not(*bodies):
    return lambda letter: letter.raw["Body"] not in bodies


def test_all_of_them(box):
    sent = [str(index) for index in range(25)]
    box.send(*sent, attributes=with_reason(error="KeyError", source=box.arn(box.source)))

    found = redrive(box)

    assert found.tally.sent == {box.source: 25}
    assert found.is_complete
    assert box.stored() == []
    assert sorted(box.bodies(box.source), key=int) == sent
    # the reason stays behind, the count goes on
    assert {tuple(message.message_attributes) for message in box.stored(box.source)} == {("dead_letter_redrives",)}


def test_own_attributes_group_and_trace_are_kept(box):
    own = {"blob": {"DataType": "Binary", "BinaryValue": b"\xff"}}
    trace = {"AWSTraceHeader": {"DataType": "String", "StringValue": "Root=1-5759e988-bd862e3fe1be46a994272793"}}
    box.send("é", attributes=add_reason(own, Reason("FAILED")), MessageGroupId="g", MessageSystemAttributes=trace)

    redrive(box)

    (message,) = box.receive(box.source)
    assert message["Body"] == "é"
    assert message["MessageAttributes"]["blob"]["BinaryValue"] == b"\xff"
    assert message["Attributes"]["MessageGroupId"] == "g"
    assert message["Attributes"]["AWSTraceHeader"].startswith("Root=")


def test_chosen_ones(box):
    box.send(*map(str, range(25)))

    found = redrive(box, lambda letter: int(letter.raw["Body"]) % 2)

    assert found.tally.sent == {box.source: 12}
    assert found.tally.kept == {FILTERED: 13}
    assert found.is_complete
    assert sorted(map(int, box.bodies())) == list(range(0, 25, 2))


def test_at_most_so_many(box):
    box.send(*map(str, range(25)))

    assert redrive(box, max_messages=12).count == 12

    assert (len(box.stored()), len(box.stored(box.source))) == (13, 12)


@pytest.mark.parametrize("limit", [None, 7])
def test_a_dry_run_sends_nothing(box, limit):
    box.send(*map(str, range(25)))

    found = redrive(box, dry_run=True, max_messages=limit)

    assert Counter(url for _, url in found.planned) == {box.source: limit or 25}
    assert (len(box.stored()), len(box.stored(box.source))) == (25, 0)


def test_what_was_sent_back_too_often_stays(box):
    for redrives in range(5):
        box.send(str(redrives), attributes=with_reason(redrives=redrives))

    found = redrive(box, max_redrives=3)

    assert found.tally.kept == {"sent back 3 times or more already": 2}
    assert found.is_complete
    assert sorted(box.bodies()) == ["3", "4"]
    counts = {message.body: count_redrives(message.message_attributes) for message in box.stored(box.source)}
    assert counts == {"0": 1, "1": 2, "2": 3}
    assert redrive(box, max_redrives=None).tally.sent == {box.source: 2}


def test_what_comes_back_meanwhile_is_not_sent_again(box, clock):
    """A consumer that gives up at once, as fast as we send."""
    box.send("a", "b")
    with box.scan() as scan:
        found = work(box, scan)

        def give_up(seen):
            clock.advance(0.01)
            for message in box.receive(box.source):
                box.send(message["Body"])
                box.client.delete_message(QueueUrl=box.source, ReceiptHandle=message["ReceiptHandle"])

        found.run(give_up)

    assert found.tally.sent == {box.source: 2}
    assert sorted(box.bodies()) == ["a", "b"]


def test_rate(box, clock):
    box.send(*map(str, range(25)))
    began = clock()

    assert redrive(box, bucket=TokenBucket(2, clock)).count == 25

    # those of the first second go at once
    assert clock() - began == pytest.approx((25 - 2) / 2)
    assert {message.receive_count for message in box.stored(box.source)} == {0}


def test_a_low_rate_outlasts_visibility(box, clock):
    box.send(*map(str, range(10)))

    assert redrive(box, bucket=TokenBucket(0.01, clock)).count == 10

    assert len(box.stored(box.source)) == 10
    assert box.stored() == []


def test_stopped_in_the_middle(box, clock):
    box.send(*map(str, range(10)))

    found = redrive(box, bucket=TokenBucket(1, clock), pause=lambda seconds: True)

    assert found.count == 1
    assert (len(box.stored()), len(box.stored(box.source))) == (9, 1)


def test_one_that_cannot_be_sent_stays(box, spoil):
    bad = {"b": "InvalidMessageContents"}
    client = spoil(box.client, {"send_message_batch": lambda entry: bad.get(entry["MessageBody"])})
    box.send(*"abc")

    found = redrive(box, client=client)

    assert (sorted(box.bodies()), sorted(box.bodies(box.source))) == (["b"], ["a", "c"])
    assert not found.is_complete
    (failure,) = found.tally.failures
    assert "InvalidMessageContents" in failure


def test_one_that_cannot_be_deleted_is_told(box, spoil):
    client = spoil(box.client, down={"delete_message_batch": [EndpointConnectionError(endpoint_url="x")] * 2})
    box.send("a")

    found = redrive(box, client=client)

    assert box.bodies() == box.bodies(box.source) == ["a"]
    assert not found.is_complete
    assert "it is in both queues" in found.tally.failures[0]


def test_one_that_somebody_else_has_stays(box, clock):
    box.send("a")
    with box.scan() as scan:

        def lose(letter):
            clock.advance(61)
            box.receive(VisibilityTimeout=100)
            return True

        found = work(box, scan, lose)
        found.run()

    assert found.tally.kept == {LOST: 1}
    assert not found.is_complete
    assert box.stored(box.source) == []


class TestTargets:
    def test_back_to_where_each_came_from(self, box):
        other = box.create("other")
        for source in (box.arn(box.source), other, box.arn(other)):
            box.send(source, attributes=with_reason(source=source))

        assert redrive(box).tally.sent == {box.source: 1, other: 2}

    def test_as_sqs_itself_tells(self, box, clock):
        other = box.create("other")
        policy = f'{{"deadLetterTargetArn": "{box.arn(box.dead)}", "maxReceiveCount": 1}}'
        box.client.set_queue_attributes(QueueUrl=other, Attributes={"RedrivePolicy": policy})
        box.send("a", url=other)
        for _ in range(2):
            box.receive(other, VisibilityTimeout=0)

        assert redrive(box).tally.sent == {other: 1}

    def test_all_to_another_queue(self, box):
        other = box.create("other")
        box.send("a", attributes=with_reason(source=box.arn(box.source)))

        assert redrive(box, to=other).tally.sent == {other: 1}

    @pytest.mark.parametrize(
        ("source", "why"),
        [
            ("arn:aws:sqs:local:000000000000:missing", "cannot be found"),
            ("arn:aws:sqs:local:999999999999:orders", "another account"),
            ("https://evil.example.com/999999999999/orders", "another account"),
            ("arn:aws:sqs:local:000000000000:orders-dead-letters", "dead-letter queue itself"),
            ("a b", "cannot be found"),
        ],
    )
    def test_a_source_that_is_none(self, box, source, why):
        box.send("a", attributes=with_reason(source=source))

        found = redrive(box)

        (told,) = found.tally.kept
        assert why in told
        assert "--to" in told
        assert not found.is_complete
        assert box.bodies() == ["a"]

    def test_a_url_in_a_message_is_never_called(self, box):
        box.send("a", attributes=with_reason(source="https://evil.example.com/000000000000/orders"))

        assert redrive(box).tally.sent == {box.source: 1}

    def test_nobody_tells_and_there_are_two(self, box):
        policy = f'{{"deadLetterTargetArn": "{box.arn(box.dead)}", "maxReceiveCount": 1}}'
        box.create("other", RedrivePolicy=policy)
        box.send("a")

        assert "nobody tells" in next(iter(redrive(box).tally.kept))


class TestFifo:
    def test_in_order(self, fifo_box):
        for group in ("g", "h"):
            fifo_box.send(*(f"{group}{index}" for index in range(25)), group=group)

        assert redrive(fifo_box).count == 50

        assert fifo_box.stored() == []
        for group in ("g", "h"):
            stored = [message.body for message in fifo_box.stored(fifo_box.source) if message.group_id == group]
            assert stored == [f"{group}{index}" for index in range(25)]

    def test_what_stays_keeps_back_what_comes_after_in_its_group(self, fifo_box):
        fifo_box.send(*(f"g{index}" for index in range(4)), group="g")
        fifo_box.send(*(f"h{index}" for index in range(2)), group="h")

        found = redrive(fifo_box, body_is_not("g1"))

        assert fifo_box.bodies(fifo_box.source) == ["g0", "h0", "h1"]
        assert fifo_box.bodies() == ["g1", "g2", "g3"]
        assert found.tally.kept == {FILTERED: 1, BLOCKED: 2}
        assert found.is_complete

    def test_also_what_is_seen_later(self, fifo_box):
        sent = [f"g{index}" for index in range(25)]
        fifo_box.send(*sent)

        redrive(fifo_box, body_is_not("g12"))

        assert fifo_box.bodies(fifo_box.source) == sent[:12]
        assert fifo_box.bodies() == sent[12:]

    def test_so_does_what_cannot_be_sent(self, fifo_box, spoil):
        bad = {"g1": "InvalidMessageContents"}
        client = spoil(fifo_box.client, {"send_message_batch": lambda entry: bad.get(entry["MessageBody"])})
        fifo_box.send("g0", "g1", "g2")

        redrive(fifo_box, client=client)

        assert fifo_box.bodies(fifo_box.source) == ["g0"]
        assert fifo_box.bodies() == ["g1", "g2"]

    def test_also_at_a_rate(self, fifo_box, spoil, clock):
        bad = {"g1": "InvalidMessageContents"}
        client = spoil(fifo_box.client, {"send_message_batch": lambda entry: bad.get(entry["MessageBody"])})
        fifo_box.send("g0", "g1", "g2")

        redrive(fifo_box, client=client, bucket=TokenBucket(1, clock))

        assert fifo_box.bodies() == ["g1", "g2"]

    def test_cut_off_before_the_delete_and_begun_again_nothing_is_there_twice(self, fifo_box, spoil):
        client = spoil(fifo_box.client, down={"delete_message_batch": [KeyboardInterrupt()]})
        fifo_box.send("a", "b")
        with pytest.raises(KeyboardInterrupt):
            redrive(fifo_box, client=client)
        assert fifo_box.bodies() == fifo_box.bodies(fifo_box.source) == ["a", "b"]

        assert redrive(fifo_box).count == 2

        assert fifo_box.stored() == []
        assert fifo_box.bodies(fifo_box.source) == ["a", "b"]


class Killed(BaseException):
    """The process is gone."""


class Doomed:
    """
    A client that lives for a number of calls.

    :param calls: how many come through
    :param acted: whether the one after them reaches the engine, though its answer comes to nobody
    """

    def __init__(self, client, calls, acted):
        self.client = client
        self.calls = calls
        self.acted = acted

    def __getattr__(self, method):
        def call(**parameters):
            self.calls -= 1
            if self.calls >= 0:
                return getattr(self.client, method)(**parameters)
            if self.acted and self.calls == -1:
                getattr(self.client, method)(**parameters)
            raise Killed

        return call


@pytest.mark.parametrize("fifo", [False, True])
@pytest.mark.parametrize("acted", [False, True])
def test_killed_at_any_call_and_begun_again_nothing_is_lost(make_box, clock, fifo, acted):
    box = make_box(fifo)
    ended, calls = False, 0
    while not ended:
        sent = [f"{calls}-{index}" for index in range(13)]
        box.send(*sent)
        client = Doomed(box.client, calls, acted)
        try:
            # never released: there is nobody to do it
            work(box, box.scan(client), body_is_not(sent[9]), client=client).run()
            ended = True
        except Killed:
            assert {*box.bodies(), *box.bodies(box.source)} == set(sent)
            assert all(message.visible_at <= clock() + 60 for message in box.stored())
        clock.advance(61)
        redrive(box)

        assert box.stored() == []
        assert sorted({*box.bodies(box.source)}) == sorted(sent)
        if fifo:
            # in order, and, as it did not take minutes, once
            assert box.bodies(box.source) == sent
        box.client.purge_queue(QueueUrl=box.source)
        calls += 1
    assert calls > 8
