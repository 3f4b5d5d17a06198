"""
The worker.
"""

import asyncio
from itertools import count
from json import dumps
from logging import INFO
from threading import Barrier, Event, Thread, current_thread

import pytest
from marshmallow import fields

from microcosm_pubsub.codecs import PubSubMessageSchema
from microcosm_pubsub.context import current_message, current_messages
from microcosm_pubsub.decorators import schema
from microcosm_pubsub.dispatcher import SQSMessageDispatcher
from microcosm_pubsub.errors import ConfigurationError, HandlerTimeout, Nack, QueueAccessError
from microcosm_pubsub.reader import SQSFileReader
from microcosm_pubsub.registry import SQSMessageHandlerRegistry
from microcosm_pubsub.registry.options import HandlerOptions
from microcosm_pubsub.result import MessageHandlingResultType
from microcosm_pubsub.worker.breaker import State
from microcosm_pubsub.worker.settings import Intervals, WorkerSettings
from microcosm_pubsub.worker.worker import Worker
from tests.waiting import SECONDS, wait_until


#: Nobody else is to be spared here.
QUICK = Intervals(watch_seconds=0.01, min_empty_seconds=0.01)

MEDIA_TYPE = "application/vnd.worker.parcel"
SUCCEEDED, SKIPPED, IGNORED, EXPIRED, RETRIED, FAILED = MessageHandlingResultType


@schema
class WorkerParcelSchema(PubSubMessageSchema):
    MEDIA_TYPE = MEDIA_TYPE

    number = fields.Integer(required=True)


def parcel(number):
    return {"mediaType": MEDIA_TYPE, "number": number}


def numbers(queue):
    return sorted(int(body.rsplit(":", 1)[1].strip(" }")) for body in queue.bodies)


def raising(error):
    def handle(content):
        raise error

    return handle


class Program:
    """A worker with one handler, and what its observers were told."""

    def __init__(self, graph, handler, settings, options, clock, batch_metrics, send_metrics, intervals):
        registry = SQSMessageHandlerRegistry(graph)
        registry.register(MEDIA_TYPE, handler, HandlerOptions(**options))
        self.handlers = registry.compute_bound_handlers([])
        self.told = []
        self.dispatcher = SQSMessageDispatcher(
            graph.sqs_consumer,
            registry,
            graph.pubsub_middleware,
            [lambda message, result: self.told.append((message.message_id, result.result))],
            batch_metrics=batch_metrics,
        )
        self.worker = Worker(
            graph.sqs_consumer,
            self.dispatcher,
            WorkerSettings(**settings),
            send_metrics,
            intervals=intervals,
            **({"clock": clock} if clock else {}),
        )
        self.ending = None
        self.thread = None

    @property
    def outcomes(self):
        return [outcome for _, outcome in self.told]

    def start(self, on_watch=lambda: None):
        self.thread = Thread(target=self.run, args=[on_watch], daemon=True)
        self.thread.start()

    def run(self, on_watch=lambda: None):
        self.ending = self.worker.run(self.handlers, on_watch)
        return self.ending

    def end(self):
        self.thread.join(SECONDS)
        assert not self.thread.is_alive()
        return self.ending

    # step by step

    def receive(self, count=10):
        """Receive, whatever may be received, and accept it."""
        worker = self.worker
        worker.handling.routes = self.dispatcher.find_routes(self.handlers)
        began = worker.clock()
        messages = worker.consumer.receive(count, 30)
        worker.handling.accept(messages, began)
        return messages

    def receive_allowed(self):
        """Receive what may be received."""
        admission = self.worker.parts.admission
        count = admission.reserve()
        messages = self.receive(count) if count else []
        admission.answered(count, len(messages))
        return messages

    def handle(self):
        """Handle the next unit, as a slot would."""
        unit = self.worker.lanes.take()
        self.worker.handling.finish(unit, self.worker.handling.handle(unit), 0.01)

    def settle(self):
        """Send what waits to be settled."""
        self.worker.settler.flush(SECONDS)


@pytest.fixture
def make_program(graph):
    programs = []

    def make(
        handler,
        options=None,
        graph=graph,
        clock=None,
        batch_metrics=None,
        send_metrics=None,
        intervals=QUICK,
        **settings,
    ):
        program = Program(graph, handler, settings, options or {}, clock, batch_metrics, send_metrics, intervals)
        programs.append(program)
        return program

    yield make
    for program in programs:
        program.worker.stop()
        program.worker.stop()
        if program.thread is not None:
            program.end()
        program.worker.lanes.close()
        program.worker.parts.reactor.close()


@pytest.fixture
def fifo(make_graph, look_at):
    graph = make_graph(sqs_consumer={"sqs_queue_url": "queue.fifo"})
    return graph, look_at(graph)


class Letter:
    """What a message has to send before it is settled, which is sent when the test says so."""

    def __init__(self):
        self.done = None

    def begin(self, done, has_more=False):
        self.done = done


class TestWhatHasToBeSentBefore:
    """A message that has an answer is settled when that was sent, and its slot takes the next one meanwhile."""

    @pytest.fixture
    def letters(self):
        return {}

    @pytest.fixture
    def answer(self, letters):
        def handle(content):
            letters[content["number"]] = current_message().outgoing = Letter()
            return True

        return handle

    def test_its_slot_goes_on(self, make_program, queue, letters, answer):
        queue.send(*(parcel(number) for number in range(3)))
        program = make_program(answer, concurrency=1)
        program.receive()
        for _ in range(3):
            program.handle()
        assert (program.outcomes, program.worker.lanes.running) == ([], 3)

        letters[1].done(None)
        assert program.outcomes == [SUCCEEDED]
        letters[0].done(Nack(0, reason="It could not be sent"))
        assert program.outcomes == [SUCCEEDED, RETRIED]
        assert not program.worker.lanes.is_empty
        letters[2].done(None)

        assert program.worker.lanes.is_empty
        program.settle()
        assert numbers(queue) == [0]

    def test_a_later_one_of_its_group_waits(self, make_program, fifo, letters, answer):
        graph, queue = fifo
        queue.send(parcel(0), parcel(1), MessageGroupId="g")
        program = make_program(answer, graph=graph)
        program.receive()
        program.handle()
        assert not program.worker.lanes.has_work

        letters[0].done(None)
        assert program.worker.lanes.has_work
        program.handle()
        letters[1].done(Nack(0))
        program.settle()
        assert numbers(queue) == [1]

    def test_the_end_waits_for_it(self, make_program, queue, letters, answer):
        queue.send(parcel(0), parcel(1))
        intervals = Intervals(watch_seconds=0.01, grace_seconds=0.01)
        program = make_program(answer, intervals=intervals, concurrency=2)
        program.start()
        wait_until(lambda: len(letters) == 2)
        letters[0].done(None)
        program.worker.stop()

        assert program.end().unsettled == 1
        assert numbers(queue) == [1]

    def test_a_fault_of_ours_strands_nothing(self, make_program, queue, letters, answer):
        queue.send(parcel(0))
        program = make_program(answer)
        program.start()
        wait_until(lambda: letters)
        error = ZeroDivisionError("a fault")

        def settle(handled, settler):
            raise error

        program.dispatcher.settle = settle
        letters[0].done(None)

        assert program.end().error is error
        assert queue.hidden_for == [0]

    def test_one_that_was_abandoned_sends_it_all_the_same(self, make_program, queue, letters, answer):
        queue.send(parcel(0))
        began, go_on = Event(), Event()

        def handle(content):
            began.set()
            assert go_on.wait(SECONDS)
            return answer(content)

        program = make_program(handle, options={"timeout_seconds": 0.01})
        program.start()
        wait_until(lambda: program.worker.slots.abandoned)
        go_on.set()
        wait_until(lambda: letters)
        wait_until(lambda: letters[0].done)
        letters[0].done(None)
        program.worker.stop()

        program.end()
        assert program.outcomes == [FAILED]


class TestHandling:
    @pytest.mark.parametrize("concurrency", [1, 4])
    def test_all_of_a_queue(self, make_program, queue, concurrency):
        queue.send(*(parcel(number) for number in range(60)))
        seen = []
        program = make_program(
            lambda content: seen.append(content["number"]) or True, drain=True, concurrency=concurrency
        )

        ending = program.run()

        assert sorted(seen) == list(range(60))
        assert queue.bodies == []
        assert (ending.reason, ending.error) == ("the queue was empty 3 times in a row", None)
        assert (ending.abandoned, ending.unsettled, ending.recycled) == (0, 0, False)
        assert program.dispatcher.counts == {"SUCCEEDED": 60}
        assert program.outcomes == [SUCCEEDED] * 60
        assert len(program.worker.parts.keeper) == 0

    def test_each_outcome(self, make_program, queue):
        queue.send(*(parcel(number) for number in range(4)), "{not json")

        def handle(content):
            if content["number"] == 1:
                raise Nack(77)
            if content["number"] == 2:
                raise RuntimeError("no")
            return content["number"] == 0

        program = make_program(handle, drain=True)
        program.run()

        assert sorted(program.outcomes, key=str) == [FAILED, FAILED, RETRIED, SKIPPED, SUCCEEDED]
        assert sorted(queue.hidden_for) == [5, 5, 77]

    def test_as_many_at_a_time_as_there_are_slots(self, make_program, queue):
        queue.send(*(parcel(number) for number in range(8)))
        barrier, threads = Barrier(4), set()

        def handle(content):
            threads.add(current_thread())
            barrier.wait(SECONDS)
            return True

        program = make_program(handle, drain=True, concurrency=4)
        program.run()

        assert program.outcomes == [SUCCEEDED] * 8
        assert len(threads) == 4

    def test_a_slow_message_delays_nobody(self, make_program, queue):
        queue.send(*(parcel(number) for number in range(30)))
        others, done = [], Event()

        def handle(content):
            if content["number"] == 0:
                return done.wait(SECONDS)
            others.append(content["number"])
            if len(others) == 29:
                done.set()
            return True

        program = make_program(handle, drain=True, concurrency=2)
        program.run()

        assert program.outcomes == [SUCCEEDED] * 30

    def test_the_visibility_timeout_is_ours(self, make_program, queue, graph):
        queue.send(parcel(1))
        hidden = []
        make_program(lambda content: hidden.extend(queue.hidden_for) or True, drain=True).run()
        assert hidden == [30]

    @pytest.mark.parametrize(
        "handler",
        [
            raising(SystemExit(1)),
            raising(KeyboardInterrupt()),
            raising(GeneratorExit()),
            lambda content: (number for number in [content]),
        ],
    )
    def test_what_a_handler_may_not_do_ends_no_worker(self, make_program, queue, handler):
        queue.send(*(parcel(number) for number in range(3)))
        program = make_program(handler, drain=True)

        ending = program.run()

        assert ending.error is None
        assert program.outcomes == [FAILED] * 3
        assert queue.hidden_for == [5, 5, 5]

    def test_a_coroutine_of_a_plain_function_has_failed(self, make_program, queue):
        async def handle(content):
            return True

        queue.send(parcel(1))
        program = make_program(lambda content: handle(content), drain=True)
        program.run()

        assert program.outcomes == [FAILED]

    def test_async_handlers_run_together_with_their_context(self, make_program, queue):
        queue.send(*(parcel(number) for number in range(4)))
        contexts, meeting = [], []

        async def handle(content):
            if not meeting:
                meeting.append(asyncio.Event())
            contexts.append((content["number"], current_message().content["number"], current_thread().name))
            if len(contexts) == 4:
                meeting[0].set()
            await meeting[0].wait()
            current_message().lease.check()
            return True

        program = make_program(handle, drain=True, concurrency=4)
        program.run()

        assert program.outcomes == [SUCCEEDED] * 4
        assert sorted(contexts) == [(number, number, "event-loop") for number in range(4)]


class TestBatches:
    def test_each_message_by_its_own_result(self, make_program, queue):
        queue.send(*(parcel(number) for number in range(9)))
        sizes, known = [], []

        def handle(contents):
            sizes.append(len(contents))
            known.append(len(current_messages()))
            return [content["number"] % 3 != 0 or Nack(9) for content in contents]

        program = make_program(handle, {"batch_size": 9, "batch_window_seconds": 20}, max_messages=9)
        program.run()

        assert sizes == known == [9]
        assert sorted(program.outcomes, key=str) == [RETRIED] * 3 + [SUCCEEDED] * 6
        assert queue.hidden_for == [9] * 3

    def test_by_the_window(self, make_program, queue):
        queue.send(*(parcel(number) for number in range(7)))
        sizes = []

        def handle(contents):
            sizes.append(len(contents))
            return True

        program = make_program(handle, {"batch_size": 50, "batch_window_seconds": 0.3}, drain=True)
        program.run()

        assert sum(sizes) == 7
        assert queue.bodies == []

    def test_of_a_fifo_queue(self, make_program, fifo):
        graph, queue = fifo
        queue.send(*(parcel(number) for number in range(6)), MessageGroupId="a")
        queue.send(*(parcel(number) for number in range(6, 9)), MessageGroupId="b")
        seen = []

        def handle(contents):
            seen.extend(content["number"] for content in contents)
            return [content["number"] != 2 or RuntimeError("no") for content in contents]

        program = make_program(handle, {"batch_size": 5}, graph=graph, clock=lambda: 0.0)
        program.receive()
        while program.worker.lanes.waiting:
            program.handle()
        program.settle()

        # what comes after a failure was handled with it, or not at all, and stays in any case
        assert numbers(queue) == [2, 3, 4, 5]
        assert 5 not in seen
        assert sorted(outcome.name for outcome in program.outcomes) == ["FAILED"] + ["RETRIED"] * 3 + ["SUCCEEDED"] * 5


class TestOrder:
    def test_after_a_failure_the_rest_of_its_group_is_released_unhandled(self, make_program, fifo):
        graph, queue = fifo
        queue.send(*(parcel(number) for number in range(4)), MessageGroupId="a")
        queue.send(*(parcel(number) for number in range(10, 13)), MessageGroupId="b")
        seen = []

        def handle(content):
            seen.append(content["number"])
            if content["number"] == 1:
                raise Nack(60)
            return True

        program = make_program(handle, graph=graph)
        program.receive()
        for _ in range(5):
            program.handle()
        program.settle()

        assert seen == [0, 10, 1, 11, 12]
        assert numbers(queue) == [1, 2, 3]
        assert queue.hidden_for == [60, 0, 0]
        # and none of the group comes before the first has gone
        assert program.receive() == []

    def test_groups_keep_their_order_with_many_slots(self, make_program, fifo):
        graph, queue = fifo
        for group in range(5):
            queue.send(*(parcel(number) for number in range(group * 10, group * 10 + 8)), MessageGroupId=f"g{group}")
        seen, tries = {}, count()

        def handle(content):
            if next(tries) % 7 == 3:
                raise Nack(0)
            seen.setdefault(content["number"] // 10, []).append(content["number"] % 10)
            return True

        # SQS keeps the rest of a group back until the delete of its first has come, which takes 50 ms
        spared = Intervals(watch_seconds=0.01, min_empty_seconds=0.05)
        program = make_program(handle, graph=graph, concurrency=4, drain=True, intervals=spared)
        program.run()

        assert seen == {group: list(range(8)) for group in range(5)}
        assert queue.bodies == []

    def test_when_a_delete_fails_for_good_the_rest_of_its_group_waits(self, make_program, fifo):
        graph, queue = fifo
        queue.send(*(parcel(number) for number in range(3)), MessageGroupId="a")
        graph.sqs_client.delete_message_batch.side_effect = lambda QueueUrl, Entries: {  # noqa: N803
            "Failed": [{"Id": entry["Id"], "Code": "ReceiptHandleIsInvalid", "SenderFault": True} for entry in Entries]
        }
        program = make_program(lambda content: True, graph=graph)
        program.receive()
        program.handle()
        program.settle()

        assert program.outcomes == [SUCCEEDED, RETRIED]
        assert program.dispatcher.counts["SETTLE_FAILED"] == 1
        # the one that was let go already may still be handled
        assert program.worker.lanes.waiting == 1

    def test_so_many_of_a_group_of_a_standard_queue(self, make_program, queue):
        queue.send(*(parcel(number) for number in range(10)), MessageGroupId="noisy")
        queue.send(parcel(10), MessageGroupId="quiet")
        running, most, done = [], [], Event()

        def handle(content):
            running.append(content["number"])
            most.append(len([number for number in running if number < 10]))
            if content["number"] == 10:
                done.set()
            assert done.wait(SECONDS)
            running.remove(content["number"])
            return True

        program = make_program(handle, concurrency=8, max_per_group=2, drain=True)
        program.run()

        assert program.outcomes == [SUCCEEDED] * 11
        assert max(most) <= 2


class TestLeases:
    def test_a_handler_is_told_of_a_lost_lease(self, make_program, queue, clock):
        queue.send(parcel(1))
        leases = []

        def handle(content):
            lease = current_message().lease
            leases.append(lease.lost)
            clock.advance(31)
            leases.append(lease.lost)
            lease.check()

        program = make_program(handle, clock=clock)
        program.receive()
        program.handle()

        assert leases == [False, True]
        assert program.outcomes == [FAILED]

    def test_what_waited_for_longer_than_its_lease_is_not_handled(self, make_program, queue, clock):
        queue.send(parcel(1), parcel(2))
        program = make_program(lambda content: pytest.fail("handled"), clock=clock)
        program.receive()
        clock.advance(30)
        program.handle()
        program.handle()
        program.settle()

        assert program.told == []
        assert program.dispatcher.counts == {"LEASE_LOST": 2}
        assert len(program.worker.parts.keeper) == 0
        assert len(program.receive()) == 2
        # that took no time, which tells nothing about the handler
        assert program.worker.parts.admission.capacity == 1

    def test_of_its_group_nothing_overtakes_it(self, make_program, fifo, clock):
        graph, queue = fifo
        queue.send(*(parcel(number) for number in range(3)), MessageGroupId="a")
        program = make_program(lambda content: pytest.fail("handled"), graph=graph, clock=clock)
        first, *_ = program.receive()
        first.lease.lose("ReceiptHandleIsInvalid")
        program.handle()
        program.settle()

        assert program.outcomes == [RETRIED, RETRIED]
        assert numbers(queue) == [0, 1, 2]
        assert sorted(queue.hidden_for) == [0, 0, 30]

    def test_within_a_batch_neither(self, make_program, fifo, clock):
        graph, queue = fifo
        queue.send(*(parcel(number) for number in range(2)), MessageGroupId="a")
        queue.send(parcel(2), MessageGroupId="b")
        seen = []
        program = make_program(
            lambda contents: seen.extend(content["number"] for content in contents) or True,
            {"batch_size": 3},
            graph=graph,
            clock=clock,
        )
        first, *_ = program.receive()
        first.lease.lose("ReceiptHandleIsInvalid")
        program.handle()
        program.settle()

        assert seen == [2]
        assert sorted(outcome.name for outcome in program.outcomes) == ["RETRIED", "SUCCEEDED"]
        assert numbers(queue) == [0, 1]

    def test_what_could_not_be_deleted_is_deleted_when_it_comes_back(self, make_program, queue, graph, clock):
        queue.send(parcel(1))
        seen = []
        program = make_program(lambda content: seen.append(content["number"]) or True, clock=clock)
        delete = graph.sqs_client.delete_message_batch
        delete.side_effect = lambda QueueUrl, Entries: {  # noqa: N803
            "Failed": [{"Id": entry["Id"], "Code": "ReceiptHandleIsInvalid"} for entry in Entries]
        }
        program.receive()
        program.handle()
        program.settle()
        delete.side_effect = None
        clock.advance(31)

        (again,) = program.receive()
        assert again.approximate_receive_count == 2
        program.settle()

        assert seen == [1]
        assert (queue.bodies, program.worker.lanes.is_empty) == ([], True)
        assert not program.worker.settler.is_done(again)

    def test_a_file_has_no_leases(self, make_program, graph, tmp_path):
        path = tmp_path / "lines"
        path.write_text("".join(dumps(parcel(number)) + "\n" for number in range(25)))
        graph.sqs_consumer.sqs_client = SQSFileReader(str(path))
        seen = []
        program = make_program(lambda content: seen.append(content["number"]) or True)

        ending = program.run()

        assert seen == list(range(25))
        assert (ending.error, ending.unsettled) == (None, 0)
        assert "was read to its end" in ending.reason


class TestTimeouts:
    @pytest.fixture
    def stuck(self, make_program, queue, clock):
        """A program whose handlers wait until they are let go."""
        queue.send(*(parcel(number) for number in range(3)))
        began, go_on, leases = Event(), Event(), []

        def handle(content):
            began.set()
            assert go_on.wait(SECONDS)
            leases.append(current_message().lease.lost)
            return True

        program = make_program(handle, {"timeout_seconds": 5}, clock=clock, max_abandoned=1)
        program.began, program.go_on, program.leases = began, go_on, leases
        program.line = handle.__code__.co_firstlineno + 2
        program.worker.slots.start()
        program.receive(1)
        assert began.wait(SECONDS)
        yield program
        go_on.set()

    def test_a_handler_over_its_timeout_is_given_up(self, stuck, queue, clock, caplog):
        (slot,) = stuck.worker.slots.busy
        clock.advance(5)
        assert stuck.worker.watch() is None
        assert stuck.told == []
        clock.advance(0.1)
        assert stuck.worker.watch() is None

        assert stuck.outcomes == [FAILED]
        assert stuck.worker.slots.abandoned == 1
        stuck.settle()
        assert queue.hidden_for[0] == 5
        stuck.go_on.set()
        slot.thread.join(SECONDS)
        # it is told that its message is another's now, and what it makes of it is dropped
        assert stuck.leases == [True]
        assert stuck.outcomes == [FAILED]
        assert numbers(queue) == [0, 1, 2]
        assert stuck.worker.slots.abandoned == 0

    def test_its_lease_is_extended_no_more(self, stuck, queue, clock, graph):
        clock.advance(5.1)
        stuck.worker.watch()
        clock.advance(20)
        stuck.worker.parts.keeper.renew()

        assert graph.sqs_client.change_message_visibility_batch.call_count == 0

    def test_the_reason_is_clear(self, stuck, clock):
        results = []
        stuck.dispatcher.observers = [lambda message, result: results.append(result)]
        clock.advance(6)
        stuck.worker.watch()

        (result,) = results
        assert isinstance(result.exc_info[1], HandlerTimeout)
        assert "took longer than its timeout of 5 s and was abandoned" in str(result.exc_info[1])
        assert f"; its thread goes on until the handler returns; it was at {__file__}:{stuck.line} in handle" in str(
            result.exc_info[1]
        )
        assert result.elapsed_time == 6000

    def test_another_thread_takes_its_place_and_too_many_end_the_process(self, stuck, clock):
        endings = []
        for _ in range(2):
            clock.advance(6)
            endings.append(stuck.worker.watch())
            if endings[-1] is None:
                stuck.began.clear()
                stuck.receive(1)
                assert stuck.began.wait(SECONDS)
        clock.advance(1)

        first, second = endings
        assert first is None
        assert "2 threads outlived the timeout of their handlers, 1 may" in second.reason
        assert isinstance(second.error, HandlerTimeout)

    def test_a_coroutine_is_cancelled(self, make_program, queue, clock):
        queue.send(parcel(1))
        began, ended = Event(), Event()

        async def handle(content):
            began.set()
            try:
                await asyncio.sleep(3600)
            finally:
                ended.set()

        program = make_program(handle, {"timeout_seconds": 5}, clock=clock)
        results = []
        program.dispatcher.observers = [*program.dispatcher.observers, lambda message, result: results.append(result)]
        program.worker.slots.start()
        program.receive(1)
        assert began.wait(SECONDS)
        (slot,) = program.worker.slots.busy
        clock.advance(6)
        program.worker.watch()

        assert ended.wait(SECONDS)
        slot.thread.join(SECONDS)
        assert program.worker.slots.abandoned == 0
        assert program.outcomes == [FAILED]
        assert "was abandoned; its coroutine is cancelled; it was at" in str(results[0].exc_info[1])

    def test_slots_that_are_held_are_not_counted_on(self, stuck, clock):
        clock.advance(1.1)
        stuck.worker.watch()

        assert stuck.worker.parts.admission.stuck == 1


class TestEndings:
    def test_told_to_stop(self, make_program, queue):
        queue.send(*(parcel(number) for number in range(20)))
        began, go_on = Event(), Event()

        def handle(content):
            began.set()
            return go_on.wait(SECONDS)

        program = make_program(handle, concurrency=2)
        program.start()
        assert began.wait(SECONDS)
        program.worker.stop()
        wait_until(lambda: program.worker.ending)
        go_on.set()
        ending = program.end()

        assert (ending.reason, ending.abandoned, ending.unsettled) == ("told to stop", 0, 0)
        done = len(program.outcomes)
        assert program.outcomes == [SUCCEEDED] * done
        assert len(queue.bodies) == 20 - done
        # nothing is stranded
        assert queue.hidden_for == [0] * (20 - done)

    def test_told_again_it_does_not_wait_for_handlers(self, make_program, queue, caplog):
        caplog.set_level(INFO)
        queue.send(parcel(1))
        began, go_on, lost = Event(), Event(), Event()

        def handle(content):
            began.set()
            go_on.wait(SECONDS)
            if current_message().lease.lost:
                lost.set()

        program = make_program(handle)
        program.start()
        assert began.wait(SECONDS)
        program.worker.stop()
        program.worker.stop()
        ending = program.end()

        assert (ending.abandoned, ending.unsettled) == (1, 0)
        assert queue.hidden_for == [0]
        go_on.set()
        assert lost.wait(SECONDS)
        seconds = program.worker.settings.shutdown_timeout_seconds
        assert f"Ending: told to stop; waiting at most {seconds:g} s for handlers that run: 1" in caplog.text

    def test_handlers_are_given_so_long(self, make_program, queue):
        queue.send(parcel(1))
        began, go_on = Event(), Event()

        def handle(content):
            began.set()
            go_on.wait(SECONDS)

        program = make_program(handle, shutdown_timeout_seconds=0)
        program.start()
        assert began.wait(SECONDS)
        program.worker.stop()
        ending = program.end()

        assert ending.abandoned == 1
        assert program.dispatcher.counts["RELEASED"] == 1
        assert queue.hidden_for == [0]
        go_on.set()

    @pytest.mark.parametrize("size", [1, 7, 10, 25])
    def test_after_so_many_messages(self, make_program, queue, size):
        queue.send(*(parcel(number) for number in range(30)))
        program = make_program(lambda content: True, max_messages=size, concurrency=3)

        ending = program.run()

        assert (ending.recycled, ending.error) == (True, None)
        assert program.outcomes == [SUCCEEDED] * size
        assert len(queue.bodies) == 30 - size
        assert queue.hidden_for == [0] * (30 - size)

    def test_after_so_long(self, make_program, clock):
        program = make_program(lambda content: True, clock=clock, max_runtime_seconds=60)
        clock.advance(59)
        assert program.worker.watch() is None
        clock.advance(1)

        ending = program.worker.watch()

        assert (ending.recycled, ending.reason) == (True, "60 s have passed (pubsub_worker.max_runtime_seconds)")

    def test_when_no_receive_can_succeed(self, make_program, graph, client_error):
        graph.sqs_client.receive_message.side_effect = client_error("AccessDenied")

        ending = make_program(lambda content: True).run()

        assert isinstance(ending.error, QueueAccessError)
        assert "AccessDenied" in ending.reason

    def test_a_fault_of_ours_strands_nothing(self, make_program, queue):
        queue.send(*(parcel(number) for number in range(5)))
        program = make_program(lambda content: True)
        error = ZeroDivisionError("a fault")

        def run_unit(messages):
            raise error

        program.dispatcher.run_unit = run_unit
        ending = program.run()

        assert ending.error is error
        assert queue.hidden_for == [0] * 5

    def test_neither_does_one_of_who_looks_on(self, make_program, queue):
        queue.send(*(parcel(number) for number in range(5)))
        began, go_on = Event(), Event()
        error = ZeroDivisionError("a fault")

        def handle(content):
            began.set()
            return go_on.wait(SECONDS)

        def look_on():
            if began.is_set():
                go_on.set()
                raise error

        program = make_program(handle)
        ending = program.run(look_on)

        assert ending.error is error
        assert queue.hidden_for == [0] * len(queue.bodies)

    def test_what_comes_after_the_end_is_handed_back(self, make_program, queue):
        queue.send(parcel(1))
        program = make_program(lambda content: pytest.fail("handled"))
        program.worker.lanes.close()
        program.receive()
        program.worker.handling.release_left_over()
        program.settle()

        assert queue.hidden_for == [0]
        assert program.dispatcher.counts == {"RELEASED": 1}

    def test_what_cannot_be_released_is_told(self, make_program, queue, graph, client_error):
        queue.send(parcel(1))
        graph.sqs_client.change_message_visibility_batch.side_effect = client_error("ServiceUnavailable")
        began, go_on = Event(), Event()

        def handle(content):
            began.set()
            go_on.wait(SECONDS)

        program = make_program(handle, shutdown_timeout_seconds=0, intervals=Intervals(grace_seconds=0))
        program.start()
        assert began.wait(SECONDS)
        program.worker.stop()
        ending = program.end()

        assert (ending.abandoned, ending.unsettled) == (1, 1)
        go_on.set()


class TestPauses:
    def test_pausing_and_resuming(self, make_program, queue):
        handled, watched = Event(), Event()
        program = make_program(lambda content: handled.set() or True)
        program.worker.pause()
        program.start(watched.set)
        assert watched.wait(SECONDS)
        assert (program.worker.pausing, program.worker.is_ready) == ("told to", False)
        queue.send(parcel(1))
        program.worker.resume()

        assert handled.wait(SECONDS)
        assert program.worker.is_ready

    def test_toggling(self, make_program):
        worker = make_program(lambda content: True).worker
        states = []
        for _ in range(3):
            worker.toggle()
            worker.obey_next()
            states.append(worker.pausing)

        assert states == ["told to", None, "told to"]

    def test_stopping_while_paused(self, make_program):
        program = make_program(lambda content: True)
        program.worker.pause()
        program.start()
        program.worker.stop()

        assert program.end().reason == "told to stop"


class TestBreaker:
    @pytest.fixture
    def program(self, make_program, queue, clock):
        queue.send(*(parcel(number) for number in range(20)))
        failing = [True]

        def handle(content):
            if failing:
                raise RuntimeError("down")
            return True

        program = make_program(
            handle, clock=clock, breaker_failure_share=0.5, breaker_min_results=4, breaker_open_seconds=10
        )
        program.failing = failing
        program.receive(4)
        for _ in range(4):
            program.handle()
        return program

    def test_it_opens_probes_and_closes(self, program, clock):
        worker = program.worker
        assert (worker.parts.breaker.state, worker.is_ready) == (State.OPEN, False)
        assert program.receive_allowed() == []
        clock.advance(10)
        assert len(program.receive_allowed()) == 1
        program.handle()
        assert worker.parts.breaker.state is State.OPEN
        clock.advance(10)
        program.failing.clear()
        assert len(program.receive_allowed()) == 1
        assert program.receive_allowed() == []
        program.handle()

        assert (worker.parts.breaker.state, worker.is_ready) == (State.CLOSED, True)
        assert len(program.receive_allowed()) == 10

    def test_what_was_released_is_no_success(self, make_program, fifo, clock):
        graph, queue = fifo
        queue.send(*(parcel(number) for number in range(3)), MessageGroupId="a")
        program = make_program(
            lambda content: True, graph=graph, clock=clock, breaker_failure_share=0.5, breaker_open_seconds=10
        )
        for _ in range(20):
            program.worker.parts.breaker.record(failed=True)
        clock.advance(10)
        (message,) = program.receive_allowed()
        message.lease.lose("ReceiptHandleIsInvalid")
        program.handle()

        assert program.worker.parts.breaker.state is State.HALF_OPEN

    def test_receiving_goes_on_by_itself(self, make_program, queue):
        queue.send(*(parcel(number) for number in range(40)))
        tries = count()

        def handle(content):
            if next(tries) < 5:
                raise RuntimeError("down")
            return True

        program = make_program(
            handle, breaker_failure_share=0.5, breaker_min_results=5, breaker_open_seconds=0.3, drain=True
        )
        program.run()

        assert program.dispatcher.counts["SUCCEEDED"] == 35


class TestMetrics:
    def test_each_receive(self, make_program, queue, clock):
        queue.send(*(parcel(number) for number in range(5)))
        told = []
        program = make_program(
            lambda content: clock.advance(2) or True,
            clock=clock,
            batch_metrics=lambda milliseconds, size: told.append((milliseconds, size)),
        )
        program.receive(3)
        program.receive(3)
        for _ in range(5):
            program.handle()

        assert told == [(6000, 3), (10000, 2)]
        assert len(program.worker.handling.timer) == 0

    def test_whatever_becomes_of_its_messages(self, make_program, fifo, clock):
        graph, queue = fifo
        queue.send(*(parcel(number) for number in range(4)), MessageGroupId="a")
        told = []

        def handle(content):
            raise Nack(0)

        program = make_program(
            handle, graph=graph, clock=clock, batch_metrics=lambda milliseconds, size: told.append(size)
        )
        program.receive()
        program.handle()
        assert told == [4]
        program.settle()
        program.receive()
        program.worker.handling.keep_left_over(program.worker.lanes.close())
        program.worker.handling.release_left_over()

        assert told == [4, 4]

    def test_not_if_they_are_not_enabled(self, make_program):
        class Disabled:
            enabled = False

            def __call__(self, *args):
                pytest.fail("told")

        program = make_program(lambda content: True, batch_metrics=Disabled(), send_metrics=Disabled())

        assert program.worker.handling.timer.tell is None
        assert program.worker.gauges.tell is None

    def test_gauges(self, make_program, queue, clock):
        queue.send(*(parcel(number) for number in range(5)))
        told = []
        program = make_program(lambda content: True, clock=clock, send_metrics=told.append, concurrency=2)
        program.receive()
        for _ in range(4):
            program.worker.gauges()
        program.worker.pause()
        program.worker.obey_next()
        clock.advance(1)
        program.worker.gauges()

        assert told == [
            {
                "worker_slots_busy": 0,
                "worker_buffered": 5,
                "worker_leases": 5,
                "worker_abandoned": 0,
                "worker_paused": paused,
                "worker_pollers": 1,
                "worker_leases_extended": 0,
                "worker_leases_lost": 0,
                "worker_settle_failures": 0,
            }
            for paused in (0, 1)
        ]


@pytest.mark.parametrize(
    ("settings", "options", "text"),
    [
        ({"visibility_timeout_seconds": 3}, {}, "give it at least 7"),
        ({}, {"timeout_seconds": 5000}, "timeout_seconds 5000"),
        ({"max_buffer": 10}, {"batch_size": 11}, "only 10 may wait"),
    ],
)
def test_what_cannot_work_is_refused_before_it_starts(make_program, settings, options, text):
    with pytest.raises(ConfigurationError, match=text):
        make_program(lambda content: True, options, **settings).run()


def test_memory_is_flat(make_program, queue):
    program = make_program(lambda content: True, batch_metrics=lambda milliseconds, size: None)
    for start in range(0, 300, 10):
        queue.send(*(parcel(number) for number in range(start, start + 10)))
        program.receive()
        for _ in range(10):
            program.handle()
        program.settle()
    worker = program.worker

    assert len(worker.parts.keeper) == worker.parts.entries.count == worker.lanes.waiting == worker.lanes.groups == 0
    assert (len(worker.handling.timer), worker.slots.dropped) == (0, [])
