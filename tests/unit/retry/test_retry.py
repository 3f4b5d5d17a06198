"""
Whether and when a message is tried again, and when it is given up.
"""

import pytest
from marshmallow import fields
from microcosm.api import binding, load_from_dict

from microcosm_pubsub.backoff import ExponentialBackoffPolicy, ListBackoffPolicy, NaiveBackoffPolicy, growing
from microcosm_pubsub.codecs import PubSubMessageSchema
from microcosm_pubsub.daemon import ConsumerDaemon
from microcosm_pubsub.dead_letters import Reason
from microcosm_pubsub.decorators import handles, schema
from microcosm_pubsub.errors import ConfigurationError, DeadLetter, DecodeError, Nack
from microcosm_pubsub.message import SQSMessage
from microcosm_pubsub.result import MessageHandlingResult, MessageHandlingResultType
from microcosm_pubsub.retry import RetryPolicies, RetryPolicy


MEDIA_TYPE = "application/vnd.retry.order"
FAILED, RETRIED = MessageHandlingResultType.FAILED, MessageHandlingResultType.RETRIED


def make(receives=1, **more):
    return SQSMessage(None, {}, MEDIA_TYPE, "m", "r", approximate_receive_count=receives, **more)


def judge(policy, error, receives=1, **more):
    message = make(receives, **more)
    result = MessageHandlingResult.from_error(message, error)
    policy.judge(message, result)
    return result


@pytest.mark.parametrize(
    ("policy", "error", "receives", "given_up", "seconds"),
    [
        (RetryPolicy(), ValueError(), 99, False, None),
        (RetryPolicy(max_attempts=3), ValueError(), 2, False, None),
        (RetryPolicy(max_attempts=3), ValueError(), 3, True, None),
        (RetryPolicy(max_attempts=3), Nack(9), 2, False, 9),
        # attempts that are used up win over whatever asks for more
        (RetryPolicy(max_attempts=3), Nack(9), 3, True, 9),
        (RetryPolicy(backoff=7), ValueError(), 1, False, 7),
        (RetryPolicy(backoff=7), Nack(0), 1, False, 0),
        (RetryPolicy(backoff=[1, 10, 60]), ValueError(), 2, False, 10),
        (RetryPolicy(backoff=[1, 10, 60]), ValueError(), 8, False, 60),
        (RetryPolicy(give_up_on=ValueError), UnicodeError(), 1, True, None),
        (RetryPolicy(give_up_on=(KeyError, OSError)), ValueError(), 1, False, None),
        (RetryPolicy(retry_on=OSError), ValueError(), 1, True, None),
        (RetryPolicy(retry_on=OSError), ConnectionError(), 1, False, None),
        (RetryPolicy(retry_on=OSError), Nack(4), 1, False, 4),
        (RetryPolicy(), DeadLetter("no use"), 1, True, None),
    ],
)
def test_judging(policy, error, receives, given_up, seconds):
    result = judge(policy, error, receives)

    assert (result.dead_letter, result.retry_timeout_seconds) == (given_up, seconds)


def test_what_nobody_can_read_is_given_up_whatever_came_of_it():
    message = make(error=DecodeError("not JSON"))
    result = MessageHandlingResult.from_result(message, True)

    RetryPolicy().judge(message, result)

    assert result.dead_letter


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"max_attempts": 0}, "max_attempts is 0"),
        ({"max_attempts": True}, "max_attempts is True"),
        ({"backoff": -1}, "backoff is -1"),
        ({"backoff": []}, r"backoff is \[\]"),
        ({"backoff": "soon"}, "backoff is 'soon'"),
        ({"retry_on": "ValueError"}, "retry_on holds 'ValueError'"),
        ({"give_up_on": (int,)}, "give_up_on holds"),
    ],
)
def test_what_cannot_work_is_refused(values, text):
    with pytest.raises(ConfigurationError, match=text):
        RetryPolicy(**values)


def test_a_handlers_own_policy_has_the_daemons_attempts_unless_it_says():
    own, counted = RetryPolicy(backoff=1), RetryPolicy(max_attempts=9)
    policies = RetryPolicies(RetryPolicy(max_attempts=4))

    assert policies.complete(own).max_attempts == 4
    assert policies.complete(own).backoff is own.backoff
    assert policies.complete(counted) is counted
    assert policies.complete(None).max_attempts == 4
    assert RetryPolicies(RetryPolicy()).complete(own) is own


@pytest.mark.parametrize(("jitter", "least"), [("full", 1), ("equal", 30)])
def test_exponential_backoff_with_bounds(jitter, least):
    policy = ExponentialBackoffPolicy(base_seconds=4, max_seconds=60, jitter=jitter)

    for receives in range(1, 20):
        bound = min(4 * (2**receives - 1), 60)
        seconds = {policy.compute_backoff_timeout(make(receives), None) for _ in range(50)}
        assert max(seconds) <= bound
        assert min(seconds) >= (1 if jitter == "full" else bound / 2)
    assert min(policy.compute_backoff_timeout(make(19), None) for _ in range(200)) >= least
    assert policy.compute_backoff_timeout(make(5), 0) == 0


@pytest.mark.parametrize("values", [{"base_seconds": 0}, {"base_seconds": 9, "max_seconds": 3}, {"jitter": "none"}])
def test_exponential_backoff_that_cannot_work(values):
    with pytest.raises(ConfigurationError, match="ExponentialBackoffPolicy"):
        ExponentialBackoffPolicy(**values)


def test_other_backoffs():
    assert NaiveBackoffPolicy(2.5).compute_backoff_timeout(make(), None) == 2
    assert ListBackoffPolicy([3]).compute_backoff_timeout(make(None), None) == 3
    assert [growing(5, receives) for receives in (None, 1, 2, 5, 10, 10_000)] == [5, 5, 10, 80, 900, 900]


@schema
class RetryOrderSchema(PubSubMessageSchema):
    MEDIA_TYPE = MEDIA_TYPE

    number = fields.Integer(required=True)


@binding("retry_handler")
@handles(RetryOrderSchema, retry=RetryPolicy(max_attempts=2, backoff=30, give_up_on=KeyError))
class RetryHandler:
    def __init__(self, graph):
        self.error = ValueError

    def __call__(self, content):
        raise self.error("secret")


class RetryDaemon(ConsumerDaemon):
    name = "retry_daemon"
    components = ["retry_handler"]
    unhandled = "dead_letter"
    ignore = ["application/vnd.retry.expected"]


@pytest.fixture
def daemon():
    return RetryDaemon.create_for_testing(loader=load_from_dict(sqs_consumer={"dead_letter_queue_url": "dead"}))


def send(daemon, body, queue="queue", **more):
    daemon.graph.pubsub_testing.engine.queue_client.send_message(QueueUrl=queue, MessageBody=body, **more)


def handle(daemon):
    return daemon.graph.sqs_message_dispatcher.handle_batch(daemon.bound_handlers)


def dead_letters(daemon):
    receive = daemon.graph.pubsub_testing.engine.queue_client.receive_message
    messages = receive(QueueUrl="dead", MaxNumberOfMessages=10, MessageAttributeNames=["All"]).get("Messages", [])
    return [(message["Body"], Reason.from_attributes(message["MessageAttributes"])) for message in messages]


ORDER = f'{{"mediaType": "{MEDIA_TYPE}", "number": 1}}'


def test_a_handler_with_a_policy(daemon):
    engine = daemon.graph.pubsub_testing.engine
    now = engine.clock()
    engine.clock = lambda: now
    send(daemon, ORDER)

    (result,) = handle(daemon)
    assert (result.result, result.dead_letter, result.retry_timeout_seconds) == (FAILED, False, 30)
    assert [round(message.visible_at - now) for message in engine.messages("queue")] == [30]

    engine.clock = lambda: now + 31
    (result,) = handle(daemon)
    assert result.dead_letter
    assert engine.messages("queue") == []
    ((body, reason),) = dead_letters(daemon)
    assert body == ORDER
    assert (reason.outcome, reason.error, reason.handler, reason.attempts) == (
        "FAILED",
        "ValueError",
        "RetryHandler",
        2,
    )
    assert reason.first_time.timestamp() == pytest.approx(now, abs=1)


def test_what_is_hopeless_is_given_up_at_once(daemon):
    daemon.graph.retry_handler.error = KeyError
    send(daemon, ORDER)
    send(daemon, "{")
    send(daemon, f'{{"mediaType": "{MEDIA_TYPE}"}}')
    send(daemon, '{"mediaType": "application/vnd.retry.unexpected"}')
    send(daemon, '{"mediaType": "application/vnd.retry.expected"}')

    handle(daemon)

    assert daemon.graph.pubsub_testing.engine.messages("queue") == []
    assert sorted(reason.error for _, reason in dead_letters(daemon)) == [
        "DecodeError", "KeyError", "MessageValidationError", "UnhandledMessage",
    ]  # fmt: skip
    assert daemon.graph.pubsub_unhandled.counts == {"application/vnd.retry.unexpected": 1}


def test_a_dead_letter_queue_that_takes_nothing_loses_nothing(daemon, client_error):
    daemon.graph.retry_handler.error = KeyError
    daemon.graph.sqs_client.send_message_batch.side_effect = client_error("ServiceUnavailable")
    send(daemon, ORDER)

    handle(daemon)

    assert len(daemon.graph.pubsub_testing.engine.messages("queue")) == 1
    assert daemon.graph.sqs_message_dispatcher.counts["SETTLE_FAILED"] == 1


def test_without_a_dead_letter_queue_it_comes_back_later_and_later():
    daemon = RetryDaemon.create_for_testing()
    engine = daemon.graph.pubsub_testing.engine
    now = [engine.clock()]
    engine.clock = lambda: now[0]
    send(daemon, "{")

    hidden = []
    for _ in range(4):
        handle(daemon)
        (message,) = engine.messages("queue")
        hidden.append(round(message.visible_at - now[0]))
        now[0] += 1000

    assert hidden == [5, 10, 20, 40]


def test_the_policy_of_a_daemon():
    class PatientDaemon(RetryDaemon):
        name = "retry_patient"
        components = []
        retry = RetryPolicy(backoff=[1, 2])

    policies = PatientDaemon.create_for_testing().graph.pubsub_retry_policies

    assert policies.default.backoff.seconds == (1, 2)
    with pytest.raises(ConfigurationError, match="must be a RetryPolicy"):
        RetryDaemon.create_for_testing(loader=load_from_dict(pubsub_retry_policies={"default": "none"}))


@pytest.mark.parametrize("answer", [ZeroDivisionError(), None, "soon"])
def test_a_backoff_that_cannot_be_computed_is_left_to_the_daemons(answer, capsys):
    class OddBackoffPolicy(NaiveBackoffPolicy):
        def compute_backoff_timeout(self, message, message_timeout):
            if isinstance(answer, Exception):
                raise answer
            return answer

    class OddDaemon(RetryDaemon):
        name = "retry_odd"
        components = []
        retry = RetryPolicy(backoff=OddBackoffPolicy())

    daemon = OddDaemon.create_for_testing()
    # with another handler, which has no policy of its own
    daemon.bound_handlers = {MEDIA_TYPE: lambda content: 1 // 0}
    send(daemon, ORDER)

    (result,) = handle(daemon)

    assert (result.result, result.retry_timeout_seconds) == (FAILED, None)
    assert "OddBackoffPolicy cannot tell when" in capsys.readouterr().out
    assert len(daemon.graph.pubsub_testing.engine.messages("queue")) == 1
