"""
Dead letters as people ask for them: decoded, filtered, counted.
"""

from datetime import UTC, datetime, timedelta
from json import dumps

import pytest
from hypothesis import given
from hypothesis import strategies as st
from marshmallow import fields
from microcosm.api import create_object_graph

from microcosm_pubsub.codecs import PubSubMessageSchema
from microcosm_pubsub.conventions import created
from microcosm_pubsub.dead_letters.filters import Filter, parse_since, parse_where
from microcosm_pubsub.dead_letters.groups import group_letters
from microcosm_pubsub.dead_letters.letter import read_letter, read_outside
from microcosm_pubsub.dead_letters.reason import Reason
from microcosm_pubsub.errors import ConfigurationError


NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
PARCEL = "application/vnd.letter.parcel"


class ParcelSchema(PubSubMessageSchema):
    MEDIA_TYPE = PARCEL

    number = fields.Integer(required=True)
    due = fields.DateTime()


@pytest.fixture(scope="module")
def envelope():
    graph = create_object_graph("letters", testing=True)
    graph.pubsub_message_schema_registry.register(PARCEL, ParcelSchema)
    return graph.sqs_envelope


def make_raw(body, reason=None, **attributes):
    return {
        "MessageId": "m",
        "Body": body if isinstance(body, str) else dumps(body),
        "MessageAttributes": reason.to_attributes() if reason else {},
        "Attributes": attributes,
    }


@pytest.fixture
def make_letter(envelope):
    return lambda body, reason=None, **attributes: read_letter(make_raw(body, reason, **attributes), envelope)


class TestReading:
    def test_as_its_schema_gives_it(self, make_letter):
        letter = make_letter({"mediaType": PARCEL, "number": "7", "due": "2026-01-31T06:00:00", "more": 1})

        assert (letter.media_type, letter.decode_error) == (PARCEL, None)
        assert letter.content["number"] == 7
        assert letter.plain_content == {"media_type": PARCEL, "number": 7, "due": "2026-01-31 06:00:00"}

    def test_without_a_schema_as_it_was_written(self, make_letter):
        letter = make_letter({"mediaType": "application/vnd.letter.unknown", "a": 1})

        assert (letter.media_type, letter.decode_error) == ("application/vnd.letter.unknown", None)
        assert letter.content["a"] == 1

    def test_what_does_not_fit_as_it_was_written(self, make_letter):
        letter = make_letter({"mediaType": PARCEL, "number": "seven"})

        assert (letter.media_type, letter.error) == (PARCEL, "MessageValidationError")
        assert letter.content["number"] == "seven"

    def test_no_json(self, make_letter):
        letter = make_letter("{no json")

        assert (letter.media_type, letter.error, letter.content) == (None, "DecodeError", "{no json")

    def test_in_the_notification_of_sns(self, make_letter):
        assert make_letter({"Type": "Notification", "Message": "{no json"}).content == "{no json"
        wrapped = make_letter({"Type": "Notification", "Message": dumps({"mediaType": PARCEL, "number": 1})})
        assert wrapped.content["number"] == 1

    def test_with_its_reason(self, make_letter):
        reason = Reason("FAILED", "KeyError", "handler", 3, NOW, NOW, "arn:aws:sqs:local:0:orders", 2, "was")
        letter = make_letter(
            "{no json", reason, SentTimestamp="1000", DeadLetterQueueSourceArn="other", MessageGroupId="g"
        )

        assert letter.to_dict() == {
            "message_id": "m",
            "media_type": None,
            "outcome": "FAILED",
            "error": "KeyError",
            "handler": "handler",
            "attempts": 3,
            "first_time": "2026-01-31T12:00:00.000+00:00",
            "last_time": "2026-01-31T12:00:00.000+00:00",
            "sent_time": "1970-01-01T00:00:01.000+00:00",
            "source": "arn:aws:sqs:local:0:orders",
            "source_message_id": "was",
            "redrives": 2,
            "group_id": "g",
            "content": "{no json",
        }
        assert letter.died_at == NOW
        assert "no json" not in repr(letter)

    def test_without_a_reason(self, make_letter):
        letter = make_letter({"mediaType": PARCEL, "number": 1}, SentTimestamp="1000", DeadLetterQueueSourceArn="arn")

        assert (letter.source, letter.error, letter.handler) == ("arn", None, None)
        assert letter.died_at == letter.sent_at == datetime.fromtimestamp(1, UTC)
        assert make_letter("{}", SentTimestamp="soon").died_at is None

    @given(st.text() | st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists).map(dumps))
    def test_nothing_that_it_holds_makes_it_fail(self, envelope, body):
        letter = read_letter(make_raw(body), envelope)

        dumps(letter.to_dict())
        assert read_outside(make_raw(body)).content is None


class TestFilters:
    REASON = Reason("FAILED", "KeyError", "order_created", last_time=NOW)

    @pytest.mark.parametrize(
        ("criteria", "wanted"),
        [
            ({}, True),
            ({"media_type": PARCEL}, True),
            ({"media_type": "*.parcel"}, True),
            ({"media_type": "*.letter"}, False),
            ({"error": "KeyError"}, True),
            ({"error": "keyerror"}, False),
            ({"error": "*Error"}, True),
            ({"error": "-"}, False),
            ({"handler": "order_?reated"}, True),
            ({"handler": "other"}, False),
            ({"since": NOW}, True),
            ({"since": NOW + timedelta(milliseconds=1)}, False),
            ({"where": parse_where("$.number")}, True),
            ({"error": "KeyError", "handler": "other"}, False),
        ],
    )
    def test_criteria(self, make_letter, criteria, wanted):
        letter = make_letter({"mediaType": PARCEL, "number": 1}, self.REASON)

        assert Filter(**criteria)(letter) is wanted
        assert Filter(**criteria).is_empty is (not criteria)

    def test_what_a_message_does_not_tell(self, make_letter):
        letter = make_letter({"mediaType": PARCEL, "number": 1})

        assert Filter(error="-", handler="-")(letter)
        assert not Filter(since=NOW)(letter)
        assert Filter(media_type="-")(make_letter("no json"))

    @pytest.mark.parametrize(
        ("path", "found"),
        [
            ("$.uri", True),
            ("$.missing", False),
            ("$.flag", True),
            ("$.lines[?(@.price > 10)]", True),
            ("$.lines[?(@.price > 100)]", False),
            ('$[?(@.uri == "http://x/1")]', True),
            ('$[?(@.uri == "http://x/2")]', False),
            ("$[?(@.uri =~ 'x/1$')]", True),
            ("$[?(@.price == 11)]", False),
            ("$..price", True),
            ("lines[5]", False),
        ],
    )
    def test_paths(self, path, found):
        content = {"uri": "http://x/1", "flag": False, "lines": [{"price": 11}, {"price": "eleven"}]}

        assert parse_where(path)(content) is found

    @pytest.mark.parametrize("content", [None, "text", 7, [], [1, {}], {}])
    def test_paths_in_what_is_no_object(self, content):
        for path in ("$.uri", "$.uri[0]", "$[?(@.uri > 1)]", "$..a.b"):
            assert parse_where(path)(content) is False

    @pytest.mark.parametrize("path", ["$.a[?", "$..", "!", ""])
    def test_what_is_no_path(self, path):
        with pytest.raises(ConfigurationError, match="no JSONPath"):
            parse_where(path)

    @pytest.mark.parametrize(
        ("text", "time"),
        [
            ("90s", NOW - timedelta(seconds=90)),
            ("30m", NOW - timedelta(minutes=30)),
            ("6h", NOW - timedelta(hours=6)),
            ("2d", NOW - timedelta(days=2)),
            ("2026-01-31", datetime(2026, 1, 31, tzinfo=UTC)),
            ("2026-01-31T06:00+02:00", datetime(2026, 1, 31, 4, tzinfo=UTC)),
        ],
    )
    def test_times(self, text, time):
        assert parse_since(text, NOW) == time

    @pytest.mark.parametrize("text", ["", "soon", "5", "5w", "-5m"])
    def test_what_is_no_time(self, text):
        with pytest.raises(ValueError):  # noqa: PT011
            parse_since(text, NOW)


def test_groups(make_letter):
    order = {"mediaType": created("order"), "uri": "http://x"}

    def dead(minutes, error):
        return Reason("FAILED", error, "handler", last_time=NOW + timedelta(minutes=minutes))

    letters = [
        make_letter("no json"),
        *(make_letter(order, dead(minutes, "KeyError")) for minutes in (2, 3, 1)),
        make_letter(order, dead(0, "OSError")),
    ]

    first, *others = group_letters(letters)

    assert (first.count, first.newest) == (3, letters[2])
    assert {(group.newest.error, group.count) for group in others} == {("DecodeError", 1), ("OSError", 1)}
    assert first.to_dict()["newest"]["last_time"] == "2026-01-31T12:03:00.000+00:00"
    assert group_letters([]) == []
