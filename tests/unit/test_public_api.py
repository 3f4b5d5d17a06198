"""
What a service may rely on, name by name: none of these may go.
"""

from importlib import import_module
from importlib.metadata import entry_points
from inspect import Parameter, signature

import pytest
from marshmallow import Schema
from microcosm.api import create_object_graph
from microcosm_daemon.daemon import Daemon

from microcosm_pubsub import codecs, constants
from microcosm_pubsub.conventions import LifecycleChange, created
from microcosm_pubsub.daemon import ConsumerDaemon
from microcosm_pubsub.envelope import CodecSQSEnvelope, SQSEnvelope
from microcosm_pubsub.errors import Nack
from microcosm_pubsub.handlers import URIHandler
from microcosm_pubsub.message import SQSMessage
from microcosm_pubsub.producer import SNSProducer
from microcosm_pubsub.result import MessageHandlingResult, MessageHandlingResultType


NAMES = {
    "codecs": "DEFAULT_MEDIA_TYPE MediaTypeSchema PubSubMessageCodec PubSubMessageSchema",
    "fields": "UUIDField",
    "conventions": """
        created changed deleted media_type make_media_type name_for LifecycleChange URIMessageSchema
        IdentityMessageSchema lifecycle messages naming
    """,
    "conventions.messages": "ChangedURIMessageSchema IdentityMessageSchema URIMessageSchema",
    "conventions.lifecycle": "LifecycleChange",
    "conventions.naming": "make_media_type name_for",
    "decorators": "handles schema",
    "registry": """
        AlreadyRegisteredError media_type_for PubSubMessageSchemaRegistry SQSMessageHandlerRegistry
    """,
    "batch": "MessageBatchSchema",
    "producer": """
        SNSProducer PubsubMessage DeferredProducer DeferredBatchProducer deferred deferred_batch iter_topic_mappings
    """,
    "consumer": "SQSConsumer",
    "message": "SQSMessage",
    "reader": "SQSFileReader SQSStdInReader SQSJsonReader",
    "envelope": "SQSEnvelope CodecSQSEnvelope RawSQSEnvelope NaiveSQSEnvelope LambdaSQSEnvelope",
    "backoff": "BackoffPolicy NaiveBackoffPolicy ExponentialBackoffPolicy MAX_BACKOFF_TIMEOUT",
    "errors": "TopicNotDefinedError Nack SkipMessage IgnoreMessage TTLExpired",
    "constants": "PUBLISHED_KEY TTL_KEY REQUEST_ID_KEY URI_KEY RECEIPT_HANDLE_KEY DEFAULT_RESOURCE_CACHE_TTL",
    "result": "MessageHandlingResultType MessageHandlingResult",
    "context": "SQSMessageContext",
    "handlers": "URIHandler ChainHandler ChainURIHandler PublishBatchMessage",
    "chain": """
        Chain extracts binds assign assign_constant assign_function extract call when switch for_each try_chain
    """,
    "chain.statements": """
        assign assign_constant assign_function extract call when switch for_each try_chain
    """,
    "chain.context": "SafeContext ScopedSafeContext",
    "chain.exceptions": "ContextKeyNotFound AttributeNotFound",
    "chain.context_decorators": "",
    "chain.decorators": "binds extracts",
    "daemon": "ConsumerDaemon",
    "metrics": "PubSubSendMetrics PubSubSendBatchMetrics PubSubProducerMetrics",
    "sentry": "SentryConfigPubsub default_before_send configure_sentry_pubsub",
    "matchers": """
        published published_inanyorder published_nothing has_media_type has_uri published_messages_for
        PublishedMessage PublishedMessageMatcher
    """,
}

MEMBERS = {
    "codecs:PubSubMessageSchema": "MEDIA_TYPE deserialize_media_type",
    "codecs:PubSubMessageCodec": "encode decode",
    "conventions:LifecycleChange": "Changed Created Deleted matches add",
    "registry:PubSubMessageSchemaRegistry": "register find find_matching_media_type",
    "registry:SQSMessageHandlerRegistry": "register compute_bound_handlers find iter_handlers keys",
    "producer:SNSProducer": """
        produce create_message publish_message choose_topic_arn choose_message_attributes
    """,
    "producer:DeferredProducer": "produce __enter__ __exit__",
    "producer:DeferredBatchProducer": "produce __enter__ __exit__",
    "consumer:SQSConsumer": "consume ack nack",
    "message:SQSMessage": "ack nack opaque_data ttl uri __enter__ __exit__",
    "reader:SQSFileReader": "receive_message delete_message change_message_visibility",
    "reader:SQSStdInReader": "receive_message delete_message change_message_visibility",
    "reader:SQSJsonReader": "receive_message delete_message change_message_visibility",
    "envelope:SQSEnvelope": "parse_raw_message",
    "backoff:BackoffPolicy": "compute_backoff_timeout choose_backoff_policy",
    "result:MessageHandlingResult": "invoke from_result from_error log error_reporting resolve",
    "dispatcher:SQSMessageDispatcher": "handle_batch handle_message",
    "handlers:URIHandler": """
        name nack_if_not_found resource_type get_reason_to_skip get_headers get_resource convert_resource
        validate_changed_field on_call on_skip on_handle on_ignore handle
    """,
    "handlers:ChainHandler": "get_chain",
    "handlers:ChainURIHandler": "get_chain resource_name",
    "chain:Chain": "make",
    "chain.context:SafeContext": "assign local",
    "chain.context:ScopedSafeContext": "assign local",
    "daemon:ConsumerDaemon": "run create_for_testing make_lambda_handler components defaults import_name",
    "metrics:PubSubSendMetrics": "get_metrics",
    "metrics:PubSubSendBatchMetrics": "get_metrics",
    "metrics:PubSubProducerMetrics": "get_metrics",
}

#: Callables with the beginning of their parameters: a name, with its default behind a colon.
SIGNATURES = {
    "codecs:PubSubMessageCodec": ["schema"],
    "codecs:PubSubMessageCodec.encode": ["self", "dct=None", "**kwargs"],
    "codecs:PubSubMessageCodec.decode": ["self", "message"],
    "codecs:PubSubMessageSchema.deserialize_media_type": ["self", "obj"],
    "conventions:created": ["resource", "**kwargs"],
    "conventions:changed": ["resource", "**kwargs"],
    "conventions:deleted": ["resource", "**kwargs"],
    "conventions:media_type": ["lifecycle_change"],
    "conventions:make_media_type": ["resource", "lifecycle_change=None", "organization=None", "public=False"],
    "conventions:name_for": ["obj"],
    "conventions:LifecycleChange": ["graph=None"],
    "conventions:URIMessageSchema": ["media_type=None"],
    "conventions:IdentityMessageSchema": ["media_type=None"],
    "conventions.messages:ChangedURIMessageSchema": ["media_type=None"],
    "decorators:handles": ["schema_or_media_type", "**options"],
    "registry:media_type_for": ["schema_cls"],
    "registry:PubSubMessageSchemaRegistry": ["graph"],
    "registry:PubSubMessageSchemaRegistry.register": ["self", "media_type", "schema_or_str"],
    "registry:PubSubMessageSchemaRegistry.find": ["self", "media_type"],
    "registry:SQSMessageHandlerRegistry": ["graph"],
    "registry:SQSMessageHandlerRegistry.register": ["self", "media_type", "handler"],
    "registry:SQSMessageHandlerRegistry.compute_bound_handlers": ["self", "component_names"],
    "registry:SQSMessageHandlerRegistry.find": ["self", "media_type", "bound_handlers"],
    "producer:SNSProducer.produce": ["self", "media_type", "dct=None", "uri=None", "**kwargs"],
    "producer:SNSProducer.create_message": ["self", "media_type", "dct", "uri=None", "opaque_data=None", "**kwargs"],
    "producer:SNSProducer.publish_message": ["self", "pubsub_message"],
    "producer:SNSProducer.choose_topic_arn": ["self", "media_type"],
    "producer:SNSProducer.choose_message_attributes": ["self", "media_type"],
    "producer:PubsubMessage": ["media_type", "message", "message_attributes", "opaque_data", "topic_arn"],
    "producer:DeferredProducer": ["producer"],
    "producer:DeferredBatchProducer": ["producer"],
    "producer:deferred": ["component", "key=sns_producer"],
    "producer:deferred_batch": ["component", "key=sns_producer"],
    "producer:iter_topic_mappings": ["dct"],
    "consumer:SQSConsumer.consume": ["self"],
    "consumer:SQSConsumer.ack": ["self", "message"],
    "consumer:SQSConsumer.nack": ["self", "message", "visibility_timeout_seconds=None"],
    "message:SQSMessage": [
        "consumer",
        "content",
        "media_type",
        "message_id",
        "receipt_handle",
        "topic_arn=None",
        "approximate_receive_count=None",
        "handler=None",
    ],
    "message:SQSMessage.nack": ["self", "visibility_timeout_seconds=None"],
    "reader:SQSFileReader": ["path"],
    "reader:SQSStdInReader": [],
    "reader:SQSJsonReader": ["message"],
    "envelope:SQSEnvelope": ["graph"],
    "envelope:SQSEnvelope.parse_raw_message": ["self", "consumer", "raw_message"],
    "backoff:BackoffPolicy.compute_backoff_timeout": ["self", "message", "message_timeout"],
    "backoff:BackoffPolicy.choose_backoff_policy": ["name"],
    "errors:Nack": ["visibility_timeout_seconds", "reason=None", "extra=None"],
    "result:MessageHandlingResult.invoke": ["handler", "message"],
    "result:MessageHandlingResult.from_result": ["message", "result"],
    "result:MessageHandlingResult.from_error": ["message", "error"],
    "result:MessageHandlingResult.log": ["self", "logger", "opaque"],
    "result:MessageHandlingResult.error_reporting": ["self", "sentry_config", "opaque"],
    "result:MessageHandlingResult.resolve": ["self", "message"],
    "dispatcher:SQSMessageDispatcher.handle_batch": ["self", "bound_handlers"],
    "dispatcher:SQSMessageDispatcher.handle_message": ["self", "message", "bound_handlers"],
    "context:SQSMessageContext": ["graph"],
    "context:SQSMessageContext.__call__": ["self", "message", "**extra"],
    "handlers:URIHandler": [
        "graph",
        "retry_nack_timeout=1",
        "resource_nack_timeout=1",
        "resource_cache_enabled=True",
        "resource_cache_ttl=60",
        "resource_cache_whitelist_callable",
    ],
    "handlers:URIHandler.handle": ["self", "message", "uri", "resource"],
    "handlers:URIHandler.get_reason_to_skip": ["self", "message", "uri"],
    "handlers:URIHandler.get_headers": ["self", "message"],
    "daemon:ConsumerDaemon": ["event=None"],
    "daemon:ConsumerDaemon.create_for_testing": ["loader=None", "cache=None"],
    "cli.main:main": [],
    "cli.publish_naive:main": [],
}

FACTORIES = """
    pubsub_message_schema_registry pubsub_lifecycle_change pubsub_send_batch_metrics pubsub_send_metrics
    pubsub_producer_metrics sqs_message_context sqs_consumer sqs_envelope sqs_message_dispatcher
    sqs_message_handler_registry sns_producer sns_topic_arns sentry_logging_pubsub publish_message_batch
"""

CONFIG = {
    "sns_producer": """
        profile_name region_name endpoint_url mock_sns skip deferred_batch_size connect_timeout read_timeout
    """,
    "sns_topic_arns": "default mappings",
    "sqs_consumer": """
        sqs_queue_url endpoint_url profile_name region_name backoff_policy limit wait_seconds
        message_retry_visibility_timeout_seconds
    """,
    "sqs_envelope": "strategy_name validate_md5",
    "sqs_message_dispatcher": "message_max_processing_attempts",
    "sqs_message_context": "enable_ttl initial_ttl",
    "pubsub_message_schema_registry": "auto_register",
    "sentry_logging_pubsub": "enabled dsn custom_tags_mapping custom_user_id",
    "pubsub_send_metrics": "enabled",
    "pubsub_send_batch_metrics": "enabled",
    "pubsub_producer_metrics": "enabled",
}

FLAGS = """
    --sqs-queue-url --stdin --envelope --debug --testing --processes --healthcheck-host --healthcheck-port
    --heartbeat-threshold-seconds
"""


def find(path):
    module_name, _, names = path.partition(":")
    found = import_module(f"microcosm_pubsub.{module_name}")
    for name in names.split(".") if names else ():
        found = getattr(found, name)
    return found


def flatten(table):
    return [pytest.param(key, name, id=f"{key}.{name}") for key, names in table.items() for name in names.split()]


@pytest.mark.parametrize("module_name", NAMES)
def test_modules(module_name):
    assert find(module_name)


@pytest.mark.parametrize(("module_name", "name"), flatten(NAMES))
def test_names(module_name, name):
    assert hasattr(find(module_name), name)


@pytest.mark.parametrize(("path", "name"), flatten(MEMBERS))
def test_members(path, name):
    assert hasattr(find(path), name)


@pytest.mark.parametrize("path", SIGNATURES)
def test_signatures(path):
    expected = SIGNATURES[path]
    parameters = list(signature(find(path)).parameters.values())

    assert len(parameters) >= len([item for item in expected if not item.startswith("**")])
    by_name = {parameter.name: parameter for parameter in parameters}
    positional = [parameter.name for parameter in parameters if parameter.kind is Parameter.POSITIONAL_OR_KEYWORD]
    names = [item.partition("=")[0] for item in expected if not item.startswith("**")]
    assert positional[: len(names)] == names
    for item in expected:
        name, equals, default = item.partition("=")
        if name.startswith("**"):
            assert any(parameter.kind is Parameter.VAR_KEYWORD for parameter in parameters)
        elif equals:
            assert str(by_name[name].default) == default
    # what was added must not be asked for
    for parameter in parameters[len(names) :]:
        optional = parameter.kind in (Parameter.VAR_KEYWORD, Parameter.VAR_POSITIONAL)
        assert optional or parameter.default is not Parameter.empty


@pytest.mark.parametrize("name", FACTORIES.split())
def test_bindings(name):
    (entry_point,) = entry_points(group="microcosm.factories", name=name)

    assert callable(entry_point.load())
    assert create_object_graph("api", testing=True)[name] is not None


@pytest.mark.parametrize(
    ("name", "path"),
    [("pubsub", "cli.main:main"), ("publish-naive", "cli.publish_naive:main")],
)
def test_console_scripts(name, path):
    (entry_point,) = entry_points(group="console_scripts", name=name)

    assert entry_point.load() is find(path)


@pytest.mark.parametrize(("key", "name"), flatten(CONFIG))
def test_configuration(key, name):
    config = create_object_graph("api", testing=True).config

    assert name in config[key]


@pytest.mark.parametrize("flag", FLAGS.split())
def test_flags(flag):
    assert flag in ConsumerDaemon().make_arg_parser().format_help()


def test_values():
    config = create_object_graph("api").config

    assert codecs.DEFAULT_MEDIA_TYPE == "application/json"
    assert (constants.PUBLISHED_KEY, constants.TTL_KEY) == ("x-request-published", "x-request-ttl")
    assert (constants.REQUEST_ID_KEY, constants.DEFAULT_RESOURCE_CACHE_TTL) == ("x-request-id", 60)
    assert config.sns_producer.mock_sns is True
    assert config.sns_producer.skip is None
    assert config.sns_producer.deferred_batch_size == 100
    assert (config.sns_producer.connect_timeout, config.sns_producer.read_timeout) == (60, 60)
    assert config.sqs_consumer.backoff_policy == "NaiveBackoffPolicy"
    assert (config.sqs_consumer.limit, config.sqs_consumer.message_retry_visibility_timeout_seconds) == (10, 5)
    assert (config.sqs_message_context.enable_ttl, config.sqs_message_context.initial_ttl) == (True, 32)
    assert config.sqs_message_dispatcher.message_max_processing_attempts is None
    assert config.sqs_envelope.strategy_name == CodecSQSEnvelope.__name__
    assert config.pubsub_message_schema_registry.auto_register is True
    assert [outcome.name for outcome in MessageHandlingResultType] == [
        "SUCCEEDED",
        "SKIPPED",
        "IGNORED",
        "EXPIRED",
        "RETRIED",
        "FAILED",
    ]
    assert created("batch_message") == find("batch").MessageBatchSchema.MEDIA_TYPE


def test_what_is_what():
    assert issubclass(codecs.PubSubMessageSchema, Schema)
    assert issubclass(ConsumerDaemon, Daemon)
    assert issubclass(LifecycleChange, set)
    assert issubclass(CodecSQSEnvelope, SQSEnvelope)
    assert URIHandler.nack_if_not_found is True or isinstance(URIHandler.nack_if_not_found, property)
    assert find("registry").AlreadyRegisteredError is find("errors").AlreadyRegisteredError


def test_attributes():
    graph = create_object_graph("api", testing=True)
    graph.use("sns_producer", "sqs_consumer", "pubsub_send_metrics")

    for name in ("sns_client", "sns_topic_arns", "skip"):
        assert hasattr(graph.sns_producer, name)
    assert isinstance(graph.sns_producer, SNSProducer)
    for name in ("sqs_client", "sqs_queue_url"):
        assert hasattr(graph.sqs_consumer, name)
    assert graph.pubsub_send_metrics.enabled is False
    assert hasattr(ConsumerDaemon(), "bound_handlers")
    assert Nack(3, "why").visibility_timeout_seconds == 3
    message = SQSMessage(None, {}, "a/b", "m", "r", "topic", 1, None)
    result = MessageHandlingResult("a/b", MessageHandlingResultType.FAILED, None, {}, 1.0, 2.0, 3)
    assert (message.topic_arn, message.approximate_receive_count) == ("topic", 1)
    assert (result.elapsed_time, result.handle_start_time, result.retry_timeout_seconds) == (1.0, 2.0, 3)
