"""
Where the published 3.0 implementation of this interface goes wrong, and this one does not.

Point 12 is tested with `URIHandler`; point 13, and the exit codes of point 14, with real processes.
"""

# boto3 names its arguments in CamelCase.
# ruff: noqa: N803

import ast
import sys
from hashlib import md5
from importlib.metadata import requires
from json import dumps
from logging import ERROR
from pathlib import Path

import pytest
from marshmallow import fields
from microcosm.api import binding, create_object_graph, load_from_dict
from microcosm_daemon.api import ExitError, FatalError, SleepNow
from packaging.requirements import Requirement

import microcosm_pubsub
from microcosm_pubsub.backoff import BackoffPolicy, ExponentialBackoffPolicy, NaiveBackoffPolicy
from microcosm_pubsub.chain import Chain, try_chain
from microcosm_pubsub.chain.context import SafeContext
from microcosm_pubsub.codecs import PubSubMessageSchema
from microcosm_pubsub.conventions import created
from microcosm_pubsub.daemon import ConsumerDaemon
from microcosm_pubsub.decorators import handles, schema
from microcosm_pubsub.envelope import CodecSQSEnvelope
from microcosm_pubsub.errors import AlreadyRegisteredError, DecodeError, Nack, PubSubError, QueueAccessError
from microcosm_pubsub.message import SQSMessage
from microcosm_pubsub.registry import PubSubMessageSchemaRegistry, SQSMessageHandlerRegistry
from microcosm_pubsub.result import MessageHandlingResult, MessageHandlingResultType


MEDIA_TYPE = "application/vnd.regressions.parcel"
SUCCEEDED, _, _, _, RETRIED, FAILED = MessageHandlingResultType
SEEN = []


@schema
class RegressionParcelSchema(PubSubMessageSchema):
    MEDIA_TYPE = MEDIA_TYPE

    number = fields.Integer(required=True)


@binding("regressions_handler")
@handles(RegressionParcelSchema)
class RegressionHandler:
    def __init__(self, graph):
        pass

    def __call__(self, message):
        SEEN.append(message["number"])
        return True


class RegressionDaemon(ConsumerDaemon):
    name = "regressions"
    components = ["regressions_handler"]


class ChildPolicy9(NaiveBackoffPolicy):
    pass


class GrandchildPolicy9(ChildPolicy9):
    pass


class ChildEnvelope9(CodecSQSEnvelope):
    pass


class GrandchildEnvelope9(ChildEnvelope9):
    pass


@pytest.fixture(autouse=True)
def seen():
    SEEN.clear()
    return SEEN


def parcel(number):
    return {"mediaType": MEDIA_TYPE, "number": number}


def imported_modules():
    for path in Path(microcosm_pubsub.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                yield node.module or ""


def test_01_it_imports_what_later_pythons_have_and_its_logging_can_be_configured():
    """1. It cannot be imported on Python 3.12 or later, and a fresh install cannot configure logging."""
    assert not [name for name in imported_modules() if name.partition(".")[0] in ("distutils", "imp", "asyncore")]
    bounds = {requirement.name: requirement.specifier for requirement in map(Requirement, requires("microcosm-pubsub"))}
    assert "3.0.1" in bounds["python-json-logger"]
    assert "3.1.0" not in bounds["python-json-logger"]
    assert create_object_graph("regressions", testing=True).use("logging", "logger")


@pytest.mark.parametrize("body", ["{not json", "[]", {"mediaType": MEDIA_TYPE}, {"number": 1}])
def test_02_an_undecodable_body_concerns_its_message_alone(graph, queue, body):
    """2. One undecodable or invalid body aborts its whole receive."""
    queue.send(parcel(1), body, parcel(3))

    results = graph.sqs_message_dispatcher.handle_batch({MEDIA_TYPE: lambda content: True})

    assert [result.result for result in results] == [SUCCEEDED, FAILED, SUCCEEDED]
    assert queue.bodies == [body if isinstance(body, str) else dumps(body)]


def test_03_a_failed_settle_does_not_stop_the_others(graph, queue, client_error, caplog):
    """3. One failed delete or visibility change stops the rest of the batch."""
    queue.send(*(parcel(number) for number in range(6)))
    client = graph.sqs_client
    delete, change = (client.delete_message_batch, client.change_message_visibility_batch)

    def fail_first(call):
        def wrapper(QueueUrl, Entries):
            answer = call._mock_wraps(QueueUrl=QueueUrl, Entries=Entries[1:])
            failed = {"Id": Entries[0]["Id"], "SenderFault": True, "Code": "ReceiptHandleIsInvalid"}
            return {**answer, "Failed": [failed]}

        return wrapper

    delete.side_effect, change.side_effect = fail_first(delete), fail_first(change)

    def handle(content):
        if content["number"] >= 3:
            raise Nack(content["number"])
        return True

    graph.sqs_message_dispatcher.handle_batch({MEDIA_TYPE: handle})

    # the first of each is as it was received
    assert queue.hidden_for == [30, 30, 4, 5]
    assert graph.sqs_message_dispatcher.counts["SETTLE_FAILED"] == 2
    assert len([record for record in caplog.records if record.levelno == ERROR]) == 2


def test_04_validate_md5_works(make_graph):
    """4. `validate_md5` always raises `TypeError`."""
    envelope = make_graph(sqs_envelope={"validate_md5": True}).sqs_envelope
    body = dumps(parcel(1))

    message = envelope.parse_raw_message(None, {"Body": body, "MD5OfBody": md5(body.encode()).hexdigest()})

    assert message.content["number"] == 1
    with pytest.raises(DecodeError):
        envelope.parse_raw_message(None, {"Body": body, "MD5OfBody": "0" * 32})


@pytest.mark.parametrize("policy", ["NaiveBackoffPolicy", "ExponentialBackoffPolicy"])
@pytest.mark.parametrize("seconds", [0, 17])
def test_05_the_timeout_of_a_nack_is_kept(make_graph, look_at, policy, seconds):
    """5. `Nack(0)` waits 5 s; the exponential policy ignores a given timeout."""
    graph = make_graph(sqs_consumer={"backoff_policy": policy})
    queue = look_at(graph)
    queue.send(parcel(1))

    def handle(content):
        raise Nack(seconds)

    graph.sqs_message_dispatcher.handle_batch({MEDIA_TYPE: handle})

    assert queue.hidden_for == [seconds]


def test_06_a_message_is_a_context_manager(graph, queue):
    """6. `with message:` does not exist."""
    queue.send(parcel(1), parcel(2))
    first, second = graph.sqs_consumer.consume()

    with first:
        pass
    with pytest.raises(ZeroDivisionError), second:
        raise ZeroDivisionError

    assert queue.hidden_for == [5]


def test_07_the_lambda_handler_handles_every_record(seen):
    """7. The Lambda handler drops all records but the first."""
    handler = RegressionDaemon.create_for_testing().make_lambda_handler()
    bodies = [dumps(parcel(1)), "{not json", dumps(parcel(3))]
    records = [
        {"messageId": f"m{number}", "receiptHandle": f"r{number}", "body": body} for number, body in enumerate(bodies)
    ]

    assert handler({"Records": records}, None) == {"batchItemFailures": [{"itemIdentifier": "m1"}]}

    assert seen == [1, 3]


def test_08_a_chain_keeps_an_empty_context():
    """8. `Chain` replaces an empty context that it is given."""
    context = SafeContext()

    def extract_number():
        return 7

    Chain(extract_number)(context)

    assert context["number"] == 7


def test_08_catch_catches_subclasses():
    """8. `.catch(ValueError)` misses subclasses."""

    def fail():
        raise UnicodeError

    chain = Chain(try_chain(fail).catch(ValueError).then(lambda: "caught"))

    assert chain() == "caught"


def test_09_subclasses_of_subclasses_are_found_by_name(make_graph):
    """9. A subclass of a backoff policy's subclass, or of an envelope's, is not found by name."""
    graph = make_graph(
        sqs_consumer={"backoff_policy": "GrandchildPolicy9"},
        sqs_envelope={"strategy_name": "GrandchildEnvelope9"},
    )

    assert type(graph.sqs_consumer.backoff_policy) is GrandchildPolicy9
    assert type(graph.sqs_envelope) is GrandchildEnvelope9
    assert BackoffPolicy.choose_backoff_policy("ChildPolicy9") is ChildPolicy9
    assert BackoffPolicy.choose_backoff_policy("ExponentialBackoffPolicy") is ExponentialBackoffPolicy


def test_10_all_matchers_can_be_imported():
    """10. `from microcosm_pubsub.matchers import *` raises."""
    names = {}

    exec("from microcosm_pubsub.matchers import *", names)

    assert {"published", "published_inanyorder", "published_nothing", "has_media_type", "has_uri"} <= set(names)


def test_11_custom_tags_do_not_crash_and_stay_where_they_are():
    """11. `custom_tags_mapping` crashes, and changes the module's default."""
    from microcosm_pubsub.sentry import configure_sentry_pubsub  # noqa: F401

    def configure(**config):
        return create_object_graph(
            "regressions",
            testing=True,
            loader=load_from_dict(sentry_logging_pubsub=config),
        ).sentry_logging_pubsub

    plain = dict(configure().custom_tags_mapping)
    mapped = configure(custom_tags_mapping={"my-tag": "my-key"})

    assert mapped.custom_tags_mapping["my-tag"] == "my-key"
    assert dict(configure().custom_tags_mapping) == plain
    message = SQSMessage(None, {}, MEDIA_TYPE, "m", "r")
    MessageHandlingResult.from_error(message, RuntimeError("x")).error_reporting(mapped, {"my-key": "1"})


@pytest.mark.parametrize("code", ["AWS.SimpleQueueService.NonExistentQueue", "InvalidClientTokenId"])
def test_14_what_does_not_pass_ends_the_daemon(client_error, code):
    """14. A missing queue or missing credentials spin the loop at full CPU."""
    daemon = RegressionDaemon.create_for_testing()
    daemon.graph.sqs_client.receive_message.side_effect = client_error(code)

    with pytest.raises((ExitError, FatalError)) as raised:
        daemon(daemon.graph)

    assert isinstance(raised.value.__cause__, QueueAccessError)


def test_14_what_passes_is_waited_for(client_error):
    """14. A failed receive spins the loop at full CPU."""
    daemon = RegressionDaemon.create_for_testing()
    daemon.graph.sqs_client.receive_message.side_effect = client_error("ServiceUnavailable")

    with pytest.raises(SleepNow):
        daemon(daemon.graph)


def test_15_attempts_used_up_do_not_delete_the_message(make_graph, look_at):
    """15. More than the allowed attempts deletes the message."""
    graph = make_graph(sqs_message_dispatcher={"message_max_processing_attempts": 1})
    queue = look_at(graph)
    queue.send(parcel(1))
    graph.sqs_consumer.consume()[0].nack(0)
    handled = []

    (result,) = graph.sqs_message_dispatcher.handle_batch({MEDIA_TYPE: lambda content: handled.append(content) or True})

    assert (result.result, handled) == (FAILED, [])
    assert len(queue.bodies) == 1


def test_16_what_registration_raises_is_not_swallowed():
    """16. `microcosm.hooks` swallows `ValueError`, `TypeError` and `AttributeError`."""
    for error in PubSubError.__subclasses__():
        assert not issubclass(error, (ValueError, TypeError, AttributeError))
    # hooks are keyed by class name
    assert PubSubMessageSchemaRegistry.__name__ == "PubSubMessageSchemaRegistry"
    assert SQSMessageHandlerRegistry.__name__ == "SQSMessageHandlerRegistry"


def test_16_a_conflict_is_raised_when_the_registry_resolves(monkeypatch):
    """16. A conflict would drop every later registration."""
    name = "_microcosm_on_resolve__PubSubMessageSchemaRegistry"
    monkeypatch.setattr(PubSubMessageSchemaRegistry, name, list(getattr(PubSubMessageSchemaRegistry, name)))

    class ConflictingSchema(PubSubMessageSchema):
        MEDIA_TYPE = MEDIA_TYPE

    class LaterSchema(PubSubMessageSchema):
        MEDIA_TYPE = "application/vnd.regressions.later"

    schema(ConflictingSchema)
    schema(LaterSchema)

    with pytest.raises(AlreadyRegisteredError, match="RegressionParcelSchema"):
        _ = create_object_graph("regressions", testing=True).pubsub_message_schema_registry


def test_16_every_graph_gets_every_registration(make_graph):
    """16. Registrations are for each graph."""
    for _ in range(2):
        graph = make_graph()
        assert isinstance(graph.pubsub_message_schema_registry.find(MEDIA_TYPE).schema, RegressionParcelSchema)
        assert RegressionHandler in list(graph.sqs_message_handler_registry.iter_handlers())
        with pytest.raises(KeyError):
            graph.pubsub_message_schema_registry.find_matching_media_type(created("regressions"))


def test_the_supported_pythons():
    assert sys.version_info >= (3, 11)
