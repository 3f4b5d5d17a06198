"""
Why a message is dead, as message attributes.
"""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from microcosm_pubsub.dead_letters.reason import (
    BY_IMPORTANCE,
    Reason,
    add_reason,
    count_redrives,
    remove_reason,
    without_reason,
)


TIME = datetime(2026, 1, 31, 6, 30, 15, 250000, tzinfo=UTC)

REASON = Reason(
    outcome="FAILED",
    error="KeyError",
    handler="order_created",
    attempts=5,
    first_time=TIME,
    last_time=TIME + timedelta(minutes=3),
    source="arn:aws:sqs:eu-west-1:123456789012:orders",
    redrives=2,
    message_id="c0ffee",
)


def texts(attributes):
    return {name: attribute["StringValue"] for name, attribute in attributes.items()}


def own(count):
    return {f"own-{index}": {"DataType": "String", "StringValue": str(index)} for index in range(count)}


def test_attributes():
    attributes = REASON.to_attributes()

    assert texts(attributes) == {
        "dead_letter_outcome": "FAILED",
        "dead_letter_error": "KeyError",
        "dead_letter_handler": "order_created",
        "dead_letter_attempts": "5",
        "dead_letter_message_id": "c0ffee",
        "dead_letter_first_time": "2026-01-31T06:30:15.250+00:00",
        "dead_letter_last_time": "2026-01-31T06:33:15.250+00:00",
        "dead_letter_source": "arn:aws:sqs:eu-west-1:123456789012:orders",
        "dead_letter_redrives": "2",
    }
    numbers = {name for name, attribute in attributes.items() if attribute["DataType"] == "Number"}
    assert numbers == {"dead_letter_attempts", "dead_letter_redrives"}
    assert list(attributes) == list(BY_IMPORTANCE)


def test_there_and_back():
    assert Reason.from_attributes(REASON.to_attributes()) == REASON
    assert Reason.from_attributes(Reason("IGNORED").to_attributes()) == Reason("IGNORED")


def test_what_is_not_known_is_left_out():
    assert texts(Reason("FAILED", error="").to_attributes()) == {"dead_letter_outcome": "FAILED"}


def test_times_are_in_utc():
    local = TIME.astimezone(timezone(timedelta(hours=2)))

    assert texts(Reason("FAILED", last_time=local).to_attributes())["dead_letter_last_time"].startswith(
        "2026-01-31T06:30:15"
    )


def test_names_are_bounded_and_of_characters_that_sqs_takes():
    told = texts(Reason("FAILED", error="E" * 1000, handler="a\x00b\ud800").to_attributes())

    assert told["dead_letter_error"] == "E" * 200
    assert told["dead_letter_handler"] == "a?b?"


@pytest.mark.parametrize("attributes", [None, {}, own(3)])
def test_no_reason(attributes):
    assert Reason.from_attributes(attributes) is None
    assert count_redrives(attributes) == 0


def test_redrives_alone_are_no_reason():
    attributes = remove_reason(REASON.to_attributes())

    assert Reason.from_attributes(attributes) is None
    assert count_redrives(attributes) == 3


@given(
    st.dictionaries(
        st.sampled_from(BY_IMPORTANCE),
        st.one_of(
            st.none(),
            st.text(),
            st.fixed_dictionaries(
                {"DataType": st.just("String"), "StringValue": st.text() | st.none() | st.integers()}
            ),
            st.fixed_dictionaries({"DataType": st.just("Binary"), "BinaryValue": st.binary()}),
        ),
    )
)
def test_what_others_wrote_is_read_as_far_as_it_can_be(attributes):
    reason = Reason.from_attributes(attributes)

    assert reason is None or (reason.redrives >= 0 and reason.outcome)
    assert len(add_reason(attributes, REASON)) <= 10
    assert count_redrives(remove_reason(attributes)) == count_redrives(attributes) + 1


class TestAdding:
    def test_own_attributes_are_untouched(self):
        attributes = {"blob": {"DataType": "Binary", "BinaryValue": b"\x00"}}

        added = add_reason(attributes, REASON)

        assert {name: added[name] for name in attributes} == attributes
        assert Reason.from_attributes(added) == REASON

    @pytest.mark.parametrize("count", range(11))
    def test_the_most_important_are_added_as_far_as_there_is_room(self, count):
        added = add_reason(own(count), REASON)

        assert len(added) == min(10, count + len(BY_IMPORTANCE))
        assert without_reason(added) == own(count)
        assert [name for name in BY_IMPORTANCE if name in added] == list(BY_IMPORTANCE[: 10 - count])

    def test_an_earlier_reason_is_replaced(self):
        earlier = Reason("FAILED", "OldError", "old", 9, TIME, TIME, "old", redrives=1).to_attributes()

        added = add_reason({**own(1), **earlier}, Reason("EXPIRED", "NewError"))

        assert texts(without_reason(added)) == texts(own(1))
        # with its reason it came from SQS's own move task, which counts nothing
        assert Reason.from_attributes(added) == Reason("EXPIRED", "NewError", redrives=2)

    def test_redrives_are_kept(self):
        redriven = remove_reason(add_reason(own(1), REASON))
        assert count_redrives(redriven) == 3

        assert Reason.from_attributes(add_reason(redriven, Reason("FAILED"))) == Reason("FAILED", redrives=3)


class TestRemoving:
    def test_own_attributes_are_untouched(self):
        assert without_reason(remove_reason(add_reason(own(5), REASON))) == own(5)

    def test_without_room_nothing_is_counted(self):
        assert remove_reason(own(10)) == own(10)
