"""
Layers around units: a message, or all those of a batch.
"""

from dataclasses import dataclass, field

import pytest

from microcosm_pubsub.dispatcher import SQSMessageDispatcher
from microcosm_pubsub.errors import IgnoreMessage, Nack
from microcosm_pubsub.message import SQSMessage
from microcosm_pubsub.registry import HandlerOptions
from microcosm_pubsub.result import MessageHandlingResult, MessageHandlingResultType
from microcosm_pubsub.retry import RetryPolicies, RetryPolicy


SUCCEEDED, SKIPPED, IGNORED, EXPIRED, RETRIED, FAILED = MessageHandlingResultType

ONE = "a/one"
BATCH = "a/batch"


class Registry:
    """Knows how handlers want their messages."""

    def find_options(self, media_type, handler):
        return HandlerOptions(batch_size=10) if media_type == BATCH else HandlerOptions()

    def find(self, media_type, handlers):
        raise KeyError(media_type)


@dataclass
class Database:
    """A transaction around each unit: committed if all went well."""

    told: list = field(default_factory=list)
    commit_error: Exception | None = None

    def transaction(self, call_next, messages):
        self.told.append("begin")
        results = call_next(messages)
        if any(result.retry for result in results):
            self.told.append("rollback")
            return results
        if self.commit_error is not None:
            raise self.commit_error
        self.told.append("commit")
        return results


@pytest.fixture
def database():
    return Database()


def make_message(number=0, media_type=ONE, group=None):
    return SQSMessage(
        consumer=None,
        content=number,
        media_type=media_type,
        message_id=str(number),
        receipt_handle="r",
        group_id=group,
        attributes={"SequenceNumber": str(number)} if group else {},
    )


def run(handler, messages, *unit_layers, layers=(), policy=None):
    dispatcher = SQSMessageDispatcher(
        consumer=None,
        registry=Registry(),
        middleware=layers,
        unit_middleware=unit_layers,
        policies=RetryPolicies(policy or RetryPolicy()),
    )
    dispatcher.accept(messages, dispatcher.find_routes({ONE: handler, BATCH: handler}))
    return dispatcher.run_unit(messages)


def outcomes(results):
    return [result.result for result in results]


@pytest.mark.parametrize(("value", "told"), [(True, "commit"), (Nack(1), "rollback"), (ValueError(), "rollback")])
def test_a_layer_sees_the_result_of_a_message(database, value, told):
    def handler(content):
        database.told.append(content)
        if isinstance(value, Exception):
            raise value
        return value

    run(handler, [make_message(7)], database.transaction)

    assert database.told == ["begin", 7, told]


def test_one_layer_stands_around_a_batch_and_the_layers_of_its_messages(database):
    def layer(call_next, message):
        database.told.append(message.content)
        return call_next(message)

    results = run(
        lambda contents: database.told.append(contents) or True,
        [make_message(number, BATCH) for number in range(3)],
        database.transaction,
        layers=[layer],
    )

    assert database.told == ["begin", 0, 1, 2, [0, 1, 2], "commit"]
    assert outcomes(results) == [SUCCEEDED] * 3


def test_the_first_layer_is_the_outermost():
    told = []

    def make(name):
        def layer(call_next, messages):
            told.append(name)
            return call_next(messages)

        return layer

    run(lambda content: True, [make_message()], make("a"), make("b"))

    assert told == ["a", "b"]


@pytest.mark.parametrize(
    ("error", "outcome"), [(ValueError("no"), FAILED), (Nack(3), RETRIED), (IgnoreMessage("no"), IGNORED)]
)
def test_what_a_layer_raises_is_the_result_of_all_messages(database, error, outcome):
    database.commit_error = error

    results = run(lambda contents: True, [make_message(number, BATCH) for number in range(3)], database.transaction)

    assert outcomes(results) == [outcome] * 3
    assert all(result.elapsed_time >= 0 for result in results)


def test_the_retry_policy_judges_what_the_layers_made_of_it(database):
    database.commit_error = ValueError("no")

    (result,) = run(
        lambda content: True, [make_message()], database.transaction, policy=RetryPolicy(give_up_on=ValueError)
    )

    assert result.dead_letter


def test_a_layer_may_answer_for_messages_itself():
    """As one that knows which were handled before."""
    calls = []

    def layer(call_next, messages):
        new = [message for message in messages if message.content != 1]
        handled = dict(zip(map(id, new), call_next(new), strict=True))
        return [handled.get(id(message)) or MessageHandlingResult.from_result(message, False) for message in messages]

    results = run(
        lambda contents: calls.append(contents) or True, [make_message(number, BATCH) for number in range(3)], layer
    )

    assert calls == [[0, 2]]
    assert outcomes(results) == [SUCCEEDED, SKIPPED, SUCCEEDED]
    assert all(result.elapsed_time is not None for result in results)


@pytest.mark.parametrize("returned", [[], [True], None, [None, None]])
def test_one_that_returns_no_result_for_a_message_has_failed_them(returned):
    messages = [make_message(number, BATCH) for number in range(2)]

    results = run(lambda contents: True, messages, lambda call_next, messages: returned)

    assert outcomes(results) == [FAILED] * 2


def test_what_is_not_in_turn_has_failed_for_the_layers_too(database):
    results = run(
        lambda contents: [True, Nack(5), True],
        [make_message(number, BATCH, group="g") for number in range(3)],
        database.transaction,
    )

    assert outcomes(results) == [SUCCEEDED, RETRIED, RETRIED]
    assert [result.retry_timeout_seconds for result in results[1:]] == [5, 0]
    assert database.told == ["begin", "rollback"]


def test_after_a_layer_fails_the_rest_of_a_group_is_released(database):
    database.commit_error = Nack(9)

    results = run(
        lambda contents: True,
        [make_message(number, BATCH, group=group) for number, group in enumerate("ggh")],
        database.transaction,
    )

    assert [result.retry_timeout_seconds for result in results] == [9, 0, 9]


def test_who_looks_on_may_interrupt():
    def layer(call_next, messages):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(lambda content: True, [make_message()], layer)


def test_what_nobody_handles_goes_through_them_too(database):
    def refuse(call_next, message):
        raise IgnoreMessage("nobody")

    (result,) = run(lambda content: True, [make_message(media_type="un/known")], database.transaction, layers=[refuse])

    assert result.result is IGNORED
    assert database.told == ["begin", "commit"]
