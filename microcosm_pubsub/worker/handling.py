"""
The way of a message through a worker: accepted, handled, settled, told of.

    accept   its lease begins, its route is found, it goes into its lane
    handle   by a slot: through its layers to its handler, which gives a result
    finish   its answer is sent, if it has one, by whoever sends those of many
             then the result is made true at the queue, then observers are told, then others are asked for

Messages that are not handled go back to the queue, in order: those after a failure in their group, and those left at
the end.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from functools import partial
from logging import getLogger

from microcosm_pubsub.dispatcher import SQSMessageDispatcher, judge, refuse_outgoing
from microcosm_pubsub.errors import HandlerTimeout
from microcosm_pubsub.message import Groups, SQSMessage
from microcosm_pubsub.registry import Routes
from microcosm_pubsub.result import MessageHandlingResult, MessageHandlingResultType
from microcosm_pubsub.types import Handled
from microcosm_pubsub.worker.admission import Admission
from microcosm_pubsub.worker.breaker import Breaker
from microcosm_pubsub.worker.departures import Departures
from microcosm_pubsub.worker.lanes import NONE, Lanes, Unit
from microcosm_pubsub.worker.leases import LeaseKeeper
from microcosm_pubsub.worker.reactor import Reactor
from microcosm_pubsub.worker.receive_timer import ReceiveTimer
from microcosm_pubsub.worker.settler import Settler


logger = getLogger("microcosm_pubsub.worker")


class Handling:
    """
    Accept messages, handle them, and finish with them.

    :param dispatcher: runs handlers and tells observers
    :param keeper: extends leases
    :param lanes: hold what waits for a slot
    :param settler: settles messages
    :param admission: is told of what was done
    :param breaker: is told of what failed
    :param timer: is told of what is no longer here
    :param reactor: looks for answers, between messages
    :param has_leases: whether a message is ours only for a time, and comes again if it is not settled
    """

    def __init__(
        self,
        dispatcher: SQSMessageDispatcher,
        keeper: LeaseKeeper,
        lanes: Lanes,
        settler: Settler,
        admission: Admission,
        breaker: Breaker,
        timer: ReceiveTimer,
        reactor: Reactor,
        has_leases: bool = True,
    ) -> None:
        self.dispatcher = dispatcher
        self.keeper = keeper
        self.lanes = lanes
        self.settler = settler
        self.admission = admission
        self.breaker = breaker
        self.timer = timer
        self.reactor = reactor
        self.has_leases = has_leases
        #: The routes of the worker's handlers, once it has them.
        self.routes: Routes = dispatcher.find_routes({})
        self.departures = Departures(keeper.clock)
        #: The messages that go back at the end.
        self._left_over = deque[SQSMessage]()
        settler.subscribe(self.settle_failed)

    def accept(self, messages: Sequence[SQSMessage], opened_at: float) -> None:
        """
        Take received messages.

        :param opened_at: when their receive began
        """
        if self.has_leases:
            self.keeper.hold(messages, opened_at)
        if self.dispatcher.traces is not None:
            self.dispatcher.received(messages, self.keeper.clock() - opened_at)
        if self.timer.tell is not None:
            self.timer.began(messages)
        if self.settler.undeleted.counts:
            messages = [message for message in messages if not self._is_done(message)]
        self.dispatcher.accept(messages, self.routes)
        if not self.lanes.put(messages):
            self._left_over += messages

    def handle(self, unit: Unit) -> list[Handled]:
        """Run the handler of a unit, and return the messages that it got, or that must wait, with their results."""
        messages = unit.messages
        if len(messages) == 1 and not messages[0].lease.lost:
            # Fast path: one message whose lease is intact.
            return [(messages[0], self.dispatcher.run_unit(messages)[0])]
        lost = self._drop_lost(messages)
        # A lost message may be somebody else's by now, and the rest of its group must not be handled before it.
        groups = block_groups(lost)
        kept = [message for message in messages if message not in lost]
        run = [message for message in kept if not groups.is_blocked(message.fifo_group)]
        results = self.dispatcher.run_unit(run) if run else []
        held_back = [message for message in kept if groups.is_blocked(message.fifo_group)]
        return [
            *zip(run, results, strict=True),
            *((message, self.dispatcher.release(message)) for message in held_back),
        ]

    def finish(self, unit: Unit, handled: Sequence[Handled], seconds: float | None) -> None:
        """
        Settle handled messages, tell observers of them, and let others be asked for.

        That is done later, by another thread, if one of them has something to send before.

        :param seconds: how long a slot took; None if that does not tell how long the next unit will take
        """
        for message, _ in handled:
            if message.outgoing is not None:
                go_on = partial(self._sent, unit, handled, seconds, message)
                self.departures.begin(message, go_on, has_more=bool(self.lanes.ready))
                return
        stayed = self.dispatcher.settle(handled, self.settler)
        if len(handled) < len(unit.messages):
            stayed = [*stayed, *find_missing(unit, handled)]
        refused = self.lanes.done(unit, block_groups(stayed) if stayed else NONE)
        was_run = False
        for message, result in handled:
            # Released messages were never run: they have no elapsed time.
            if result.elapsed_time is not None:
                was_run = True
                if self.breaker.failure_share is not None:
                    self.breaker.record(result.result is MessageHandlingResultType.FAILED)
            self.dispatcher.notify(message, result)
        if refused:
            self.release(refused)
        if self.timer.tell is not None:
            self.timer.ended(unit.messages)
        self.admission.done(seconds if was_run else None, len(unit.messages))
        self.reactor.help()

    def drop(self, handled: Sequence[Handled]) -> None:
        """Send what messages have to send that were handled, but are not ours to settle any more."""
        for message, _ in handled:
            if message.outgoing is not None:
                self.departures.begin(message, lambda error: None, has_more=False)

    def _sent(
        self,
        unit: Unit,
        handled: Sequence[Handled],
        seconds: float | None,
        sender: SQSMessage,
        error: Exception | None,
    ) -> None:
        """Go on with a unit, one of whose messages has sent what it had to send, or could not."""
        if error is not None:
            handled = [
                (message, refuse_outgoing(message, result, error) if message is sender else result)
                for message, result in handled
            ]
        try:
            self.finish(unit, handled, seconds)
        except BaseException:
            # This is a bug here, which ends the worker: what is left of the unit goes back.
            self.keep_left_over(unit.messages)
            raise

    def release(self, messages: Iterable[SQSMessage]) -> None:
        """Release messages whose turn has not come, since an earlier one of their group stays in the queue."""
        for message in messages:
            self.settler.add(message, 0)
            self.timer.ended([message])
            self.dispatcher.notify(message, self.dispatcher.release(message))

    # These are called when something does not go as it should.

    def time_out(self, unit: Unit, timeout: float, seconds: float, place: str | None, is_cancelled: bool) -> None:
        """
        Finish with a unit whose handler was abandoned.

        :param timeout: how long it may take
        :param seconds: how long it has taken
        :param place: where it was then
        :param is_cancelled: whether it is a coroutine, which ends; a thread cannot be ended
        """
        lose(unit.messages)
        goes_on = "its coroutine is cancelled" if is_cancelled else "its thread goes on until the handler returns"
        error = HandlerTimeout(
            f"The handler took longer than its timeout of {timeout:g} s and was abandoned; {goes_on}"
            f"{'' if place is None else f'; it was at {place}'}"
        )
        handled = []
        for message in unit.messages:
            result = MessageHandlingResult.from_error(message, error)
            result.elapsed_time = seconds * 1000
            judge(message, result)
            handled.append((message, result))
        self.finish(unit, handled, None)

    def settle_failed(self, message: SQSMessage) -> None:
        """Note that the queue did not settle a message, which stays there for now."""
        self.dispatcher.count("SETTLE_FAILED")
        if message.fifo_group is not None:
            self.release(self.lanes.refuse_group(message.fifo_group))

    def keep_left_over(self, messages: Iterable[SQSMessage]) -> None:
        """Note messages that nobody handles any more."""
        self._left_over += messages

    def release_left_over(self) -> None:
        """Release messages that nobody handles any more."""
        if self._left_over:
            logger.info("Releasing %d messages that were not handled", len(self._left_over))
        while self._left_over:
            message = self._left_over.popleft()
            self.settler.add(message, 0)
            self.dispatcher.releases.add(message.message_id)
            self.dispatcher.count("RELEASED")
            self.timer.ended([message])

    def _is_done(self, message: SQSMessage) -> bool:
        """Return whether a message was handled before, and have it deleted again if so."""
        if not self.settler.is_done(message):
            return False
        logger.info("Message %s was handled before: deleting it", message.message_id)
        self.settler.add(message, None)
        self.timer.ended([message])
        return True

    def _drop_lost(self, messages: Iterable[SQSMessage]) -> list[SQSMessage]:
        """Return the messages whose lease is lost, which are neither handled nor settled."""
        lost = [message for message in messages if message.lease.lost]
        for message in lost:
            logger.warning("Not handling message %s: its lease is lost", message.message_id)
            self.dispatcher.count("LEASE_LOST")
            self.keeper.forget(message)
        return lost


def block_groups(messages: Sequence[SQSMessage]) -> Groups:
    """Return the groups of messages that stay in the queue."""
    groups = Groups()
    for message in messages:
        groups.block(message.fifo_group)
    return groups


def find_missing(unit: Unit, handled: Iterable[Handled]) -> list[SQSMessage]:
    """Return the messages of a unit that have no result: their leases were lost."""
    known = {id(message) for message, _ in handled}
    return [message for message in unit.messages if id(message) not in known]


def lose(messages: Iterable[SQSMessage]) -> None:
    """Tell a handler that goes on, if it asks, that its messages are somebody else's."""
    for message in messages:
        message.lease.lose("its handler was abandoned")
