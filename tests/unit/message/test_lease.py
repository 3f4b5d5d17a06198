"""
The time for which a received message is ours.
"""

import pytest

from microcosm_pubsub.errors import LeaseLost
from microcosm_pubsub.message import SQSMessage
from microcosm_pubsub.message.lease import Lease


def test_what_no_worker_received_counts_as_ours():
    message = SQSMessage(consumer=None, content={}, media_type="a/b", message_id="m", receipt_handle="r")

    assert not message.lease.lost
    message.lease.check()


def test_a_lease_runs_from_the_receive(clock):
    lease = Lease(deadline=clock() + 30, limit=clock() + 3600, clock=clock)

    assert (lease.deadline - clock(), lease.limit - clock()) == (30, 3600)
    lease.check()


def test_a_lost_lease_is_told(clock):
    lease = Lease(clock() + 30, clock=clock)
    lease.lose("ReceiptHandleIsInvalid")

    assert lease.lost
    with pytest.raises(LeaseLost, match="no longer ours: ReceiptHandleIsInvalid; it will be, or was, received again"):
        lease.check()


def test_a_lease_that_ran_out_is_lost_before_anybody_says_so(clock):
    lease = Lease(clock() + 30, clock=clock)

    clock.advance(29.9)
    lease.check()
    clock.advance(0.1)

    assert lease.lost
    with pytest.raises(LeaseLost, match="its visibility timeout ran out"):
        lease.check()
    lease.deadline = clock() + 30
    lease.check()
