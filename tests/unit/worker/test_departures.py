"""
What handled messages have to send before they are settled.
"""

from threading import Thread

from microcosm_pubsub.errors import Nack
from microcosm_pubsub.worker.departures import Departures
from tests.waiting import SECONDS


class Letter:
    """What a message has to send, which is sent when the test says so."""

    def __init__(self):
        self.done = None
        self.has_more = None

    def begin(self, done, has_more=False):
        self.done, self.has_more = done, has_more


def test_a_message_goes_on_when_it_has_sent_what_it_had_to_send(make_message, clock):
    departures, letter, seen = Departures(clock), Letter(), []
    message = make_message(outgoing=letter)

    departures.begin(message, seen.append, has_more=True)
    assert (departures.count, seen, letter.has_more, message.outgoing) == (1, [], True, None)

    error = Nack(1)
    letter.done(error)
    assert (departures.count, seen) == (0, [error])


def test_waiting_for_all_of_them(make_message):
    departures, letter, waited = Departures(), Letter(), []
    departures.begin(make_message(outgoing=letter), lambda error: None, has_more=False)
    assert departures.wait(0) == 1

    thread = Thread(target=lambda: waited.append(departures.wait(SECONDS)))
    thread.start()
    letter.done(None)
    thread.join(SECONDS)

    assert waited == [0]


def test_a_fault_is_noted(make_message, clock, caplog):
    departures, letter, error = Departures(clock), Letter(), ZeroDivisionError("a fault")

    def go_on(sent):
        raise error

    departures.begin(make_message(outgoing=letter), go_on, has_more=False)
    letter.done(None)

    assert (departures.count, departures.error) == (0, error)
    assert "cannot be settled" in caplog.text
