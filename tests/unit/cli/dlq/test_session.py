"""
What the commands share: queues that may not be looked at, and signals.
"""

from os import getpid, kill
from signal import SIG_IGN, SIGHUP, SIGINT, SIGTERM, default_int_handler, getsignal, signal

import pytest
from botocore.exceptions import ClientError

from microcosm_pubsub.cli.dlq.interrupts import Interrupts
from microcosm_pubsub.cli.main import main


DENIED = ClientError({"Error": {"Code": "AccessDenied"}}, "GetQueueAttributes")


def test_without_the_right_to_read_attributes_it_goes_on(engine, make_session):
    engine.bury("a")
    session = make_session(get_queue_attributes=[DENIED, DENIED])

    queue = session.find_queue_to_receive_from()
    with session.scan(queue) as scan:
        assert len(list(scan)) == 1
    session.note_scan(scan, queue)

    assert "GetQueueAttributes is not allowed" in session.console.file.getvalue()


def test_what_was_not_seen_is_told(engine, make_session):
    engine.bury("a", "b", "c")
    session = make_session()
    queue = session.find_queue()
    with session.scan(queue) as scan:
        # somebody was faster
        engine.client.receive_message(QueueUrl=engine.dead, MaxNumberOfMessages=2)
        scan.wait_seconds = 0
        assert len(list(scan)) == 1
    session.note_scan(scan, queue)

    assert "Of about 3, 1 could be received" in session.console.file.getvalue()


def test_what_a_look_costs_in_a_queue_at_work_is_told(engine, make_session):
    engine.bury("a", url=engine.source)
    session = make_session({"queue_url": "orders", "spend_attempts": True})
    queue = session.find_queue_to_receive_from()
    with session.scan(queue) as scan:
        list(scan)
    session.note_scan(scan, queue)

    assert "on its way to orders-dead-letters" in session.console.file.getvalue()


def test_the_only_queue_is_named(make_session):
    session = make_session({"queue_url": None})

    assert session.find_queue().name == "orders-dead-letters"
    assert "orders-dead-letters" in session.console.file.getvalue()


class TestInterrupts:
    @pytest.fixture(autouse=True)
    def listen(self):
        """Let no signal be ignored, as SIGHUP is under nohup."""
        before = {number: signal(number, default_int_handler) for number in (SIGINT, SIGTERM, SIGHUP)}
        yield
        for number, handler in before.items():
            signal(number, handler)

    @pytest.mark.parametrize(("number", "code"), [(SIGINT, 130), (SIGTERM, 143), (SIGHUP, 129)])
    def test_the_first_is_noticed_and_the_second_ends_it(self, number, code):
        before = getsignal(number)
        with Interrupts() as interrupts:
            assert not interrupts.pause(0)
            kill(getpid(), number)
            assert interrupts.is_set
            # it does not wait any more
            assert interrupts.pause(60)
            assert interrupts.exit_code == code
            with pytest.raises(KeyboardInterrupt):
                kill(getpid(), number)

        assert getsignal(number) is before

    def test_at_once_where_nobody_asks(self):
        with Interrupts(deferred=False) as interrupts, pytest.raises(KeyboardInterrupt):
            kill(getpid(), SIGTERM)

        assert interrupts.is_set

    def test_what_is_ignored_stays_ignored(self):
        before = signal(SIGHUP, SIG_IGN)
        try:
            with Interrupts() as interrupts:
                kill(getpid(), SIGHUP)
                assert not interrupts.is_set
        finally:
            signal(SIGHUP, before)


def test_a_file_that_is_mistyped_is_told_and_not_made(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match=r"There is no broker in the file pubsub\.bd, seen from .*: see --broker-url"):
        main(["dlq", "list", "--broker-url", "sqlite:///pubsub.bd"])
    assert not list(tmp_path.iterdir())
