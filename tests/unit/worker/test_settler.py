"""
Deletes and visibility changes in batches.
"""

from itertools import pairwise
from math import inf
from random import Random
from threading import Event
from time import monotonic

import pytest

from microcosm_pubsub.message.recent import MAX_REMEMBERED
from microcosm_pubsub.worker.admission import Admission
from microcosm_pubsub.worker.breaker import Breaker
from microcosm_pubsub.worker.entries import Entries
from microcosm_pubsub.worker.lanes import Lanes
from microcosm_pubsub.worker.reactor import Reactor
from microcosm_pubsub.worker.settings import WorkerSettings
from microcosm_pubsub.worker.settler import Settler
from tests.waiting import SECONDS, wait_until


@pytest.fixture
def failed():
    return []


@pytest.fixture
def make_settler(consumer, keeper, failed):
    def make(reactor, max_calls=8, **options):
        entries = Entries(max_calls)
        admission = Admission(Lanes(), entries, Breaker(None, 30, 20, 30), WorkerSettings())
        settler = Settler(consumer, reactor, keeper, entries, admission, **options)
        settler.subscribe(lambda message: failed.append(message.message_id))
        return settler

    return make


@pytest.fixture
def settler(make_settler, reactor, clock):
    return make_settler(reactor, clock=clock, random=Random(1))


def raising(error):
    def call(*args):
        raise error

    return call


def send_after(settler, clock, seconds=0.05):
    clock.advance(seconds)
    return settler.run_due()


def test_ten_go_at_once(settler, hold, client):
    settler.ack_batch(hold(23))

    assert [len(handles) for _, handles in client.calls] == [10, 10]
    assert settler.entries.count == 3


def test_the_reactor_looks_at_what_is_due_first(settler, hold, reactor, clock):
    began = clock()
    first, second, third = hold(3)
    settler.add(first, None)
    clock.advance(0.01)
    settler.add(second, None)
    assert reactor.woken_by == [pytest.approx(began + 0.05)]
    assert settler.run_due() == pytest.approx(0.04)

    assert send_after(settler, clock) is None
    settler.add(third, 0)

    assert reactor.woken_by[1:] == [pytest.approx(clock() + 0.05)]


def test_whoever_takes_an_answer_sees_to_it_that_somebody_looks_at_the_rest(settler, hold, stopped_reactor, clock):
    """The reactor may sleep for long, and the answer be taken by a slot."""
    settler.reactor = stopped_reactor
    settler.ack_batch(hold(10))
    # nothing is due while they are under way
    assert settler.run_due() is None
    stopped_reactor.woken_by.clear()

    stopped_reactor.answer({"Failed": [{"Id": "3", "Code": "InternalError"}]})

    assert settler.entries.count == 1
    assert stopped_reactor.woken_by == [pytest.approx(clock() + 0.15, abs=0.05)]


def test_threads_are_few_while_some_send(settler, hold, stopped_reactor):
    """What takes a thread waits until it is worth one more; what takes none is sent at once."""
    settler.reactor = stopped_reactor
    stopped_reactor.is_using_threads = True
    messages = hold(50)
    settler.ack_batch(messages[:25])
    assert len(stopped_reactor.calls) == 1
    settler.ack_batch(messages[25:30])
    assert len(stopped_reactor.calls) == 2

    stopped_reactor.is_using_threads = False
    settler.ack_batch(messages[30:40])

    assert len(stopped_reactor.calls) == 4


def test_no_more_calls_at_a_time_than_there_may_be(settler, hold, client, stopped_reactor, clock):
    settler.reactor = stopped_reactor
    settler.entries.max_calls = 2
    settler.ack_batch(hold(35))
    clock.advance(1)

    # the next is sent when one of them ends, and nobody looks before
    assert settler.run_due() is None
    assert len(stopped_reactor.calls) == 2
    stopped_reactor.answer()
    assert len(stopped_reactor.calls) == 2
    assert settler.entries.count == 25
    for _ in range(3):
        stopped_reactor.answer()

    assert settler.entries.count == 0
    assert len(client.deleted) == 35


def test_fewer_wait_for_others_for_a_moment(settler, hold, client, clock):
    first, second = hold(2)
    settler.ack_batch([first])
    clock.advance(0.04)
    settler.ack_batch([second])
    settler.run_due()
    assert client.calls == []
    assert settler.oldest_seconds == pytest.approx(0.04)

    clock.advance(0.01)
    settler.run_due()

    assert client.calls == [("delete_message_batch", ["r0", "r1"])]
    assert first.settled
    assert (settler.entries.count, settler.oldest_seconds) == (0, 0)


def test_deletes_and_changes_are_calls_of_their_own(settler, hold, client, clock):
    messages = hold(4)
    settler.ack_batch(messages[:2])
    settler.nack_batch([(messages[2], 60), (messages[3], None)])
    send_after(settler, clock)

    assert sorted(client.deleted) == ["r0", "r1"]
    # the second as the backoff policy says
    assert client.released == {"r2": 60, "r3": 7}
    assert len(client.calls) == 2


def test_neither_kind_waits_for_the_other_to_end(settler, hold, stopped_reactor, clock):
    settler.reactor = stopped_reactor
    settler.entries.max_calls = 1
    messages = hold(41)
    settler.ack_batch(messages[:20])
    clock.advance(0.01)
    settler.add(messages[40], 0)
    clock.advance(0.06)
    settler.ack_batch(messages[20:40])
    methods = []
    while stopped_reactor.calls:
        methods.append(stopped_reactor.calls[0][0])
        stopped_reactor.answer()

    assert methods[:3].count("change_message_visibility_batch") == 1


def test_a_release_waits_for_an_extension_without_keeping_others_waiting(settler, keeper, hold, stopped_reactor, clock):
    settler.reactor = stopped_reactor
    jobs = []
    stopped_reactor.run = jobs.append
    messages = hold(2)
    keeper._renewing = frozenset({id(messages[0])})
    settler.nack_batch([(messages[0], 0)])
    send_after(settler, clock)
    assert (len(jobs), stopped_reactor.calls) == (1, [])

    keeper._renewing = frozenset()
    jobs.pop()()
    assert [method for method, _, _ in stopped_reactor.calls] == ["change_message_visibility_batch"]


def test_what_is_settled_is_held_no_longer(settler, keeper, hold, clock):
    first, second, third = hold(3)
    settler.ack_batch([first])
    settler.nack_batch([(second, 0)])
    third.settled = True
    settler.ack_batch([third])
    assert len(keeper) == 2

    send_after(settler, clock)

    assert len(keeper) == 0
    assert settler.entries.count == 0


def test_a_nack_is_never_followed_by_an_extension(settler, keeper, hold, client, clock):
    messages = hold(3)
    settler.nack_batch([(message, 0) for message in messages])
    clock.advance(20)
    client.failed = {"r1": {"Code": "InternalError"}}
    settler.run_due()
    keeper.renew()

    # refused as well, it is not extended: it is only tried again
    assert client.released == {"r0": 0, "r2": 0}
    assert [name for name, _ in client.calls] == ["change_message_visibility_batch"]


def test_what_waits_for_its_delete_is_extended(settler, keeper, hold, client, clock):
    (message,) = hold()
    client.failed = {"r0": {"Code": "InternalError"}}
    settler.ack_batch([message])
    send_after(settler, clock)
    clock.advance(20)
    client.failed = {}
    keeper.renew()

    assert client.released == {"r0": 30}
    settler.run_due()
    assert message.settled


def test_a_partial_failure_concerns_its_entries_alone(settler, hold, client, clock, failed):
    messages = hold(3)
    client.failed = {"r1": {"Code": "InternalError", "SenderFault": False}}
    settler.ack_batch(messages)
    send_after(settler, clock)
    assert (client.deleted, settler.entries.count) == (["r0", "r2"], 1)
    client.failed = {}
    send_after(settler, clock, 0.2)

    assert client.calls[1:] == [("delete_message_batch", ["r1"])]
    assert (settler.entries.count, failed) == (0, [])


def test_a_refused_call_is_tried_again_with_growing_waits(settler, hold, client, client_error, clock):
    (message,) = hold()
    client.down = client_error("ServiceUnavailable")
    settler.ack_batch([message])
    began, tries = clock(), []
    while len(tries) < 9:
        clock.advance(0.05)
        message.lease.deadline = clock() + 30
        client.calls = []
        settler.run_due()
        if client.calls:
            tries.append(clock() - began)

    waits = [later - earlier for earlier, later in pairwise(tries)]
    assert 0.1 <= waits[0] <= 0.3
    assert max(waits) <= 10.1
    assert waits[-1] > 2
    assert settler.entries.count == 1


@pytest.mark.parametrize("verb", ["ack", "nack"])
def test_it_is_given_up_when_the_lease_is_over(settler, hold, client, client_error, clock, caplog, failed, verb):
    (message,) = hold()
    client.down = client_error("ServiceUnavailable")
    if verb == "ack":
        settler.ack_batch([message])
    else:
        settler.nack_batch([(message, 0)])
    for _ in range(40):
        send_after(settler, clock, 1)

    assert failed == ["m0"]
    assert settler.entries.count == 0
    assert "ServiceUnavailable; it will be received again when its visibility timeout runs out" in caplog.text
    assert settler.is_done(message) is (verb == "ack")


@pytest.mark.parametrize("code", ["ReceiptHandleIsInvalid", "AccessDenied", "MessageNotInflight"])
def test_what_is_refused_for_good_is_not_tried_again(settler, hold, client, clock, failed, code):
    first, second = hold(2)
    client.failed = {"r0": {"Code": code, "SenderFault": True}}
    settler.ack_batch([first, second])
    send_after(settler, clock)

    assert (failed, settler.entries.count, len(client.calls)) == (["m0"], 0, 1)


def test_a_handler_that_was_given_up_does_not_keep_its_message_from_being_released(settler, hold, client, clock):
    (message,) = hold()
    message.lease.lose("its handler was abandoned")
    client.failed = {"r0": {"Code": "InternalError"}}
    settler.nack_batch([(message, 0)])
    send_after(settler, clock)
    client.failed = {}
    send_after(settler, clock, 0.2)

    assert client.released == {"r0": 0}


def test_an_undeleted_message_is_remembered_until_it_is_deleted(settler, hold, make_message, client, clock):
    (message,) = hold()
    client.failed = {"r0": {"Code": "ReceiptHandleIsInvalid"}}
    settler.ack_batch([message])
    send_after(settler, clock)
    again = make_message(0)
    again.receipt_handle = "again"

    assert settler.is_done(again)
    assert not settler.is_done(make_message(1))
    settler.add(again, None)
    send_after(settler, clock)

    assert client.deleted == ["again"]
    assert not settler.is_done(again)


def test_only_so_many_are_remembered(settler, make_message, client, clock):
    for number in range(MAX_REMEMBERED + 5):
        client.failed[f"r{number}"] = {"Code": "ReceiptHandleIsInvalid"}
        settler.add(make_message(number), None)
        clock.advance(0.05)
        settler.run_due()

    assert not settler.is_done(make_message(4))
    assert settler.is_done(make_message(5))
    assert settler.is_done(make_message(MAX_REMEMBERED + 4))


class BrokenPolicy:
    def __init__(self, answer):
        self.answer = answer

    def compute_backoff_timeout(self, message, timeout):
        if message.content["number"] != 1:
            return 5
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.mark.parametrize("answer", [None, "soon", ZeroDivisionError()])
def test_a_backoff_policy_that_fails_concerns_its_message_alone(settler, keeper, hold, client, clock, answer):
    """None would delete it; and one that nobody settles must not be extended for an hour."""
    messages = hold(3)
    settler.consumer.backoff_policy = BrokenPolicy(answer)

    errors = settler.nack_batch([(message, None) for message in messages])
    send_after(settler, clock)

    assert len(errors) == 1
    assert client.released == {"r0": 5, "r2": 5}
    assert (client.deleted, len(keeper)) == ([], 0)


def test_whatever_a_client_raises_the_thread_goes_on(settler, hold, client, clock, caplog, failed):
    messages = hold(3)
    client.down = ZeroDivisionError()
    settler.ack_batch(messages)
    send_after(settler, clock)
    client.down = None
    send_after(settler, clock, 0.2)

    assert client.deleted == ["r0", "r1", "r2"]
    assert "Cannot settle 3 messages" in caplog.text
    assert failed == []


def test_what_cannot_be_sent_is_tried_again(settler, reactor, hold, client, clock, caplog, failed):
    """Else it would be held for as long as a lease may be."""
    messages = hold(3)
    call, reactor.call = reactor.call, raising(ZeroDivisionError())
    settler.ack_batch(messages)
    send_after(settler, clock)
    assert settler.entries.count == 3
    assert "Cannot settle 3 messages" in caplog.text
    reactor.call = call
    send_after(settler, clock, 0.2)

    assert client.deleted == ["r0", "r1", "r2"]
    assert (settler.entries.count, failed) == (0, [])


class TestThreads:
    @pytest.fixture
    def settler(self, consumer, make_settler):
        reactor = Reactor(consumer.sqs_client, 3)
        settler = make_settler(reactor, max_calls=3)
        reactor.start(settler.run_due)
        yield settler
        reactor.close()
        assert reactor.error is None

    @pytest.fixture
    def hold(self, make_message):
        return lambda count: [make_message(number) for number in range(count)]

    def test_flushing_waits_for_nobody(self, settler, hold, client):
        messages = hold(25)
        settler.ack_batch(messages[:13])
        settler.nack_batch([(message, 0) for message in messages[13:]])

        assert settler.flush(SECONDS) == 0
        assert len(client.deleted) == 13
        assert len(client.released) == 12

    def test_flushing_tries_once_more_what_was_refused(self, settler, hold, client, monkeypatch):
        monkeypatch.setattr("microcosm_pubsub.worker.settler.MIN_RETRY_SECONDS", 20.0)
        monkeypatch.setattr("microcosm_pubsub.worker.settler.MAX_RETRY_SECONDS", 20.0)
        (message,) = hold(1)
        message.lease.deadline = inf
        client.failed = {"r0": {"Code": "InternalError"}}
        settler.ack_batch([message])
        wait_until(lambda: client.calls and not settler.entries.sending)
        client.failed = {}

        assert settler.flush(SECONDS) == 0
        assert client.deleted == ["r0"]

    def test_what_is_under_way_counts(self, settler, hold, client, clock):
        sending, go_on = Event(), Event()
        delete = client.delete_message_batch

        def hang(**kwargs):
            sending.set()
            assert go_on.wait(SECONDS)
            return delete(**kwargs)

        client.delete_message_batch = hang
        settler.clock = clock
        settler.ack_batch(hold(10))
        assert sending.wait(SECONDS)
        clock.advance(61)

        assert (settler.entries.count, settler.oldest_seconds) == (10, 61)
        assert settler.flush(0) == 10
        go_on.set()
        settler.clock = monotonic
        assert settler.flush(SECONDS) == 0

    def test_several_calls_at_a_time(self, settler, hold, client):
        together, delete = Event(), client.delete_message_batch
        arrived = []

        def meet(**kwargs):
            arrived.append(None)
            if len(arrived) == 3:
                together.set()
            assert together.wait(SECONDS)
            return delete(**kwargs)

        client.delete_message_batch = meet
        settler.ack_batch(hold(30))

        assert together.wait(SECONDS)
        assert settler.flush(SECONDS) == 0

    def test_who_waits_for_room_is_told_of_what_was_sent(self, settler, hold):
        told = Event()
        settler.admission.subscribe(told.set)
        settler.admission.max_unsettled = 1
        (message,) = hold(1)
        settler.add(message, None)
        assert settler.admission.reserve() == 0

        assert told.wait(SECONDS)

    def test_everything_is_settled_in_the_end(self, settler, client, make_message):
        messages = [make_message(number) for number in range(500)]
        flaky = Random(7)
        batch = client._batch

        def refuse_some(entries, act):
            client.failed = {
                entry["ReceiptHandle"]: {"Code": "InternalError"} for entry in entries if flaky.random() < 0.05
            }
            return batch(entries, act)

        client._batch = refuse_some
        for number, message in enumerate(messages):
            settler.add(message, None if number % 3 else 0)

        wait_until(lambda: settler.flush(1) == 0)
        assert len(client.deleted) == 333
        assert len(client.released) == 167


def test_an_entry_that_is_refused_again_and_again_grows_old(settler, hold, client, clock):
    (message,) = hold()
    client.failed = {"r0": {"Code": "Throttling"}}
    settler.ack_batch([message])
    for _ in range(100):
        clock.advance(1)
        settler.run_due()
        message.lease.deadline = clock() + 30

    assert settler.oldest_seconds == pytest.approx(100)
