"""
The keeper of all leases.
"""

from random import Random
from threading import Event

import pytest
from botocore.exceptions import EndpointConnectionError

from microcosm_pubsub.worker.leases import LeaseKeeper
from tests.waiting import SECONDS


def renewed(client):
    return [handles for name, handles in client.calls if name == "change_message_visibility_batch"]


def test_a_lease_is_counted_from_the_start_of_the_receive(keeper, make_message, clock):
    message = make_message()
    began = clock()
    clock.advance(5)

    keeper.hold([message], began)

    assert (message.lease.deadline, message.lease.limit) == (began + 30, began + 3600)
    assert len(keeper) == 1


def test_a_lease_is_extended_when_about_half_of_it_is_left(keeper, hold, client, clock):
    (message,) = hold()

    clock.advance(11.9)
    keeper.renew()
    assert client.calls == []
    clock.advance(6.2)
    keeper.renew()

    assert client.released == {"r0": 30}
    assert message.lease.deadline == clock() + 30
    keeper.renew()
    assert len(client.calls) == 1


def test_daemons_that_started_together_do_not_call_together(consumer, make_message, clock):
    due = set()
    for seed in range(50):
        message = make_message()
        LeaseKeeper(consumer, 30, 3600, clock, Random(seed)).hold([message], clock())
        due.add(message.lease.renew_at - clock())

    assert len(due) == 50
    assert 12 <= min(due) < 13
    assert 17 < max(due) <= 18


def test_ten_to_a_call(keeper, hold, client, clock):
    hold(23)
    clock.advance(20)

    keeper.renew()

    assert [len(handles) for handles in renewed(client)] == [10, 10, 3]
    assert len(client.released) == 23


def test_a_message_is_held_for_no_longer_than_it_may_be(consumer, client, make_message, clock):
    keeper = LeaseKeeper(consumer, 30, 50, clock, Random(1))
    message = make_message()
    keeper.hold([message], clock())
    deadlines = set()

    for _ in range(49):
        clock.advance(1)
        keeper.renew()
        deadlines.add(message.lease.deadline)
        assert not message.lease.lost
    clock.advance(1)
    keeper.renew()

    # the last extension is for what is left alone
    assert message.lease.limit - 1 < max(deadlines) <= message.lease.limit
    assert len(client.calls) == len(deadlines) - 1
    assert (message.lease.lost, keeper.lost, len(keeper)) == (True, 1, 0)


def test_twelve_hours_are_the_most_that_sqs_allows(consumer, make_message, clock):
    keeper = LeaseKeeper(consumer, 30, 99_999_999, clock)
    message = make_message()

    keeper.hold([message], clock())

    assert message.lease.limit == clock() + 12 * 60 * 60


@pytest.mark.parametrize("code", ["ReceiptHandleIsInvalid", "InvalidParameterValue", "MessageNotInflight"])
def test_a_lost_lease_is_told(keeper, hold, client, clock, caplog, code):
    first, second = hold(2)
    client.failed = {"r0": {"Code": code, "SenderFault": True}}
    clock.advance(20)

    keeper.renew()

    assert (first.lease.lost, first.lease.lost_reason) == (True, code)
    assert not second.lease.lost
    assert second.lease.deadline == clock() + 30
    assert f"Lost the lease of message m0 (a/b): {code}; it may be handled twice" in caplog.text
    client.calls.clear()
    clock.advance(20)
    keeper.renew()
    assert renewed(client) == [["r1"]]
    assert keeper.lost == 1


@pytest.mark.parametrize("code", ["InternalError", "Throttling"])
def test_what_fails_for_a_passing_reason_is_tried_again_and_lost_when_its_time_is_over(
    keeper, hold, client, clock, code
):
    (message,) = hold()
    client.failed = {"r0": {"Code": code, "SenderFault": False}}
    clock.advance(20)

    for _ in range(9):
        keeper.renew()
        assert not message.lease.lost
        clock.advance(1)
    client.failed = {}
    calls = len(client.calls)
    assert 2 <= calls < 9
    clock.advance(0.5)
    keeper.renew()

    assert len(client.calls) == calls + 1
    assert message.lease.deadline == clock() + 30


@pytest.mark.parametrize("down", [None, EndpointConnectionError(endpoint_url="http://x")])
def test_a_queue_that_does_not_answer_costs_leases_in_the_end(keeper, hold, client, client_error, clock, down, caplog):
    messages = hold(3)
    client.down = down or client_error("ServiceUnavailable")
    for _ in range(30):
        clock.advance(1)
        keeper.renew()

    assert [message.lease.lost_reason for message in messages] == ["its visibility timeout ran out"] * 3
    assert len(keeper) == 0
    names = ", ".join(f"{message.message_id} ({message.media_type})" for message in messages)
    code = "EndpointConnectionError" if down else "ServiceUnavailable"
    assert f"Cannot extend the leases of 3 messages, {names}: {code}; the first runs out in" in caplog.text


def test_who_may_not_extend_leases_is_told_what_to_allow(keeper, hold, client, client_error, clock, caplog):
    hold(4)
    client.down = client_error("AccessDenied")
    clock.advance(29)
    keeper.renew()

    assert " and 1 more: AccessDenied (allow sqs:ChangeMessageVisibility); the first runs out in 1 s" in caplog.text


def test_what_is_dropped_is_not_extended(keeper, hold, client, clock):
    first, second, third = hold(3)
    keeper.stop_extending([first])
    keeper.forget(second)
    keeper.stop_extending([first])
    clock.advance(20)

    keeper.renew()

    assert renewed(client) == [["r2"]]
    assert len(keeper) == 1
    assert not third.lease.lost


def test_what_its_handler_settled_is_not_extended_and_not_lost(keeper, hold, client, clock):
    (message,) = hold()
    message.settled = True
    for seconds in (20, 20):
        clock.advance(seconds)
        keeper.renew()

    assert client.calls == []
    assert keeper.lost == 0


def test_who_drops_a_message_waits_for_its_extension_to_end(keeper, hold, client, clock, in_thread):
    """Otherwise the extension could reach the queue after what makes the message visible."""
    (message,) = hold()
    extending, go_on, dropped = Event(), Event(), Event()
    extend = client.change_message_visibility_batch

    def hang(**kwargs):
        extending.set()
        assert go_on.wait(SECONDS)
        return extend(**kwargs)

    def drop():
        keeper.stop_extending([message])
        assert client.released == {"r0": 30}
        dropped.set()

    client.change_message_visibility_batch = hang
    clock.advance(20)
    in_thread(keeper.renew)
    assert extending.wait(SECONDS)
    in_thread(drop)
    assert not dropped.is_set()
    go_on.set()

    assert dropped.wait(SECONDS)
    assert len(keeper) == 0


def test_others_may_be_dropped_meanwhile(keeper, hold, client, clock, in_thread):
    messages = hold(11)
    extending, go_on = Event(), Event()
    extend = client.change_message_visibility_batch

    def hang(**kwargs):
        extending.set()
        assert go_on.wait(SECONDS)
        return extend(**kwargs)

    client.change_message_visibility_batch = hang
    clock.advance(20)
    thread = in_thread(keeper.renew)
    assert extending.wait(SECONDS)

    # the eleventh is not in the call that is under way, and will be in none
    keeper.stop_extending(messages[10:])
    go_on.set()
    thread.join(SECONDS)

    assert renewed(client) == [[f"r{number}" for number in range(10)]]


def test_a_lease_that_ran_out_before_anybody_looked_is_lost(keeper, hold, client, clock):
    (message,) = hold()
    clock.advance(1000)

    assert message.lease.lost
    keeper.renew()

    assert (keeper.lost, client.calls) == (1, [])
    assert message.lease.lost_reason == "its visibility timeout ran out"


def test_a_handler_that_nacks_its_message_has_it_extended_no_more(consumer, keeper, make_message, client, clock):
    message = make_message()
    message.consumer = consumer
    keeper.hold([message], clock())

    message.nack(0)
    clock.advance(20)
    keeper.renew()

    assert len(keeper) == 0
    assert renewed(client) == []
