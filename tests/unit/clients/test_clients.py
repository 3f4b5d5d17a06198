"""
The wire, and what its errors mean.
"""

import pytest
from botocore.exceptions import (
    EndpointConnectionError,
    NoCredentialsError,
    ParamValidationError,
    PartialCredentialsError,
    ReadTimeoutError,
)
from microcosm.api import create_object_graph, load_from_dict

from microcosm_pubsub.clients import (
    LASTING_ERRORS,
    check_endpoint,
    convert_receive_error,
    endpoint_of,
    error_code,
    make_client,
    region_of,
)
from microcosm_pubsub.errors import ConfigurationError, QueueAccessError, ReceiveError
from microcosm_pubsub.reader import Reader, SQSFileReader, SQSStdInReader
from microcosm_pubsub.version import VERSION


QUEUE_URL = "https://sqs.eu-west-1.amazonaws.com/123456789012/orders"


@pytest.mark.parametrize("code", sorted(LASTING_ERRORS))
def test_lasting_errors_say_what_to_change(client_error, code):
    error = convert_receive_error(client_error(code), QUEUE_URL)

    assert isinstance(error, QueueAccessError)
    assert QUEUE_URL in str(error)
    assert LASTING_ERRORS[code] in str(error)


@pytest.mark.parametrize(
    ("cause", "text"),
    [
        (NoCredentialsError(), "/credentials.html; without AWS, set PUBSUB_BROKER_URL"),
        (PartialCredentialsError(provider="env", cred_var="AWS_SECRET_ACCESS_KEY"), "AWS_SECRET_ACCESS_KEY"),
        (ParamValidationError(report="limit"), "limit"),
    ],
)
def test_lasting_errors_of_the_client_itself(cause, text):
    error = convert_receive_error(cause, QUEUE_URL)

    assert isinstance(error, QueueAccessError)
    assert text in str(error)


def test_passing_errors(client_error):
    for cause in (
        client_error("ServiceUnavailable"),
        client_error("RequestThrottled"),
        client_error("InternalError"),
        EndpointConnectionError(endpoint_url=QUEUE_URL),
        ReadTimeoutError(endpoint_url=QUEUE_URL),
    ):
        error = convert_receive_error(cause, QUEUE_URL)
        assert type(error) is ReceiveError
        assert QUEUE_URL in str(error)


def test_error_code(client_error):
    assert error_code(client_error("Throttling")) == "Throttling"
    assert error_code(NoCredentialsError()) == "NoCredentialsError"
    bare = client_error("x")
    bare.response = {}
    assert error_code(bare) == "Unknown"


@pytest.mark.parametrize(
    ("url", "region", "endpoint"),
    [
        (QUEUE_URL, "eu-west-1", None),
        ("https://sqs.cn-north-1.amazonaws.com.cn/1/q", "cn-north-1", None),
        ("https://queue.amazonaws.com/1/q", None, None),
        ("https://eu-west-1.queue.amazonaws.com/1/q", None, None),
        ("https://sqs.amazonaws.com/1/q", None, None),
        ("http://127.0.0.1:4566/000000000000/q", None, "http://127.0.0.1:4566"),
        ("https://sqs.example.com/1/q", None, "https://sqs.example.com"),
        ("orders", None, None),
        ("STDIN", None, None),
        ("", None, None),
        (None, None, None),
        ("https://sqs.eu-west-1.api.aws/1/q", "eu-west-1", "https://sqs.eu-west-1.api.aws"),
        (
            "https://vpce-0a1b.sqs.eu-west-1.vpce.amazonaws.com/1/q",
            "eu-west-1",
            "https://vpce-0a1b.sqs.eu-west-1.vpce.amazonaws.com",
        ),
        (
            "https://sqs-fips.us-east-1.amazonaws.com/1/q",
            "us-east-1",
            "https://sqs-fips.us-east-1.amazonaws.com",
        ),
    ],
)
def test_what_a_queue_url_tells(url, region, endpoint):
    assert region_of(url) == region
    assert endpoint_of(url) == endpoint


def make(service="sqs", **more):
    settings = {
        "profile_name": None,
        "region_name": "us-east-1",
        "endpoint_url": None,
        "connect_timeout": 3,
        "read_timeout": 4,
        "max_pool_connections": 5,
        "max_attempts": 6,
    }
    return make_client(service, **{**settings, **more})


def test_how_a_client_is_set_up():
    config = make().meta.config

    assert (config.connect_timeout, config.read_timeout, config.max_pool_connections) == (3, 4, 5)
    assert config.retries["total_max_attempts"] == 6
    assert f"microcosm_pubsub/{VERSION}" in config.user_agent_extra


def test_an_engine_on_this_machine_needs_no_region(monkeypatch):
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)

    client = make(region_name=None, endpoint_url="http://127.0.0.1:4566")

    assert (client.meta.region_name, client.meta.endpoint_url) == ("us-east-1", "http://127.0.0.1:4566")


@pytest.mark.parametrize(
    ("service", "settings", "text"),
    [
        (
            "sqs",
            {"region_name": None},
            "AWS_DEFAULT_REGION, or region_name of sqs_consumer, .* set PUBSUB_BROKER_URL",
        ),
        (
            "sns",
            {"region_name": None},
            "AWS_DEFAULT_REGION, or region_name of sns_producer; .* set PUBSUB_BROKER_URL",
        ),
        ("sqs", {"profile_name": "nope"}, r"nope.*profile_name"),
        ("sqs", {"region_name": "no region"}, "no region"),
        ("sns", {"endpoint_url": "not a url"}, "not a url"),
    ],
)
def test_what_cannot_be_made_is_refused(monkeypatch, service, settings, text):
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)

    with pytest.raises(ConfigurationError, match=text):
        make(service, **settings)


def create_graph(**config):
    return create_object_graph("test", loader=load_from_dict(config))


def test_the_client_of_a_queue():
    graph = create_graph(
        sqs_consumer={"sqs_queue_url": QUEUE_URL},
        sqs_client={"max_pool_connections": "20", "max_attempts": "2", "connect_timeout": "1.5"},
    )

    meta = graph.sqs_client.meta
    assert meta.region_name == "eu-west-1"
    assert (meta.config.max_pool_connections, meta.config.connect_timeout) == (20, 1.5)
    assert graph.sqs_consumer.sqs_queue_url == QUEUE_URL


def test_the_client_of_a_queue_elsewhere():
    graph = create_graph(sqs_consumer={"sqs_queue_url": "http://127.0.0.1:4566/000000000000/q"})

    assert graph.sqs_client.meta.endpoint_url == "http://127.0.0.1:4566"


TOPIC_ARN = "arn:aws:sns:eu-west-1:123456789012:orders"


@pytest.mark.parametrize(
    ("config", "region", "endpoint"),
    [
        ({"sns_producer": {"region_name": "eu-north-1"}}, "eu-north-1", "https://sns.eu-north-1.amazonaws.com"),
        ({"sns_topic_arns": {"default": TOPIC_ARN}}, "eu-west-1", "https://sns.eu-west-1.amazonaws.com"),
        ({"sns_topic_arns": {"mappings": {"a/b": TOPIC_ARN}}}, "eu-west-1", "https://sns.eu-west-1.amazonaws.com"),
        ({"sns_producer": {"endpoint_url": "http://127.0.0.1:1"}}, "us-east-1", "http://127.0.0.1:1"),
        ({}, "us-east-1", "https://sns.us-east-1.amazonaws.com"),
    ],
)
def test_the_client_of_topics(config, region, endpoint):
    meta = create_graph(**config).sns_client.meta

    assert (meta.region_name, meta.endpoint_url) == (region, endpoint)
    assert meta.config.read_timeout == 60.0


def test_readers_in_place_of_a_queue(tmp_path):
    path = tmp_path / "messages.jsonl"
    path.write_text("")

    for source, cls in (("STDIN", SQSStdInReader), ("LAMBDA", Reader), (str(path), SQSFileReader)):
        graph = create_graph(sqs_consumer={"sqs_queue_url": source})
        assert type(graph.sqs_client) is cls
        assert graph.sqs_consumer.sqs_queue_url == source
        if cls is SQSFileReader:
            graph.sqs_client.file.close()


def test_a_graph_under_test_reaches_nobody(graph):
    assert graph.sqs_client is graph.pubsub_testing.sqs_client
    assert graph.sns_client is graph.pubsub_testing.sns_client


@pytest.mark.parametrize(
    ("key", "name", "value"),
    [
        ("sqs_client", "connect_timeout", "soon"),
        ("sqs_client", "read_timeout", -1),
        ("sqs_client", "max_attempts", "0"),
        ("sns_client", "max_pool_connections", "0"),
        ("sqs_consumer", "limit", "11"),
        ("sqs_consumer", "limit", 0),
        ("sqs_consumer", "wait_seconds", 21),
        ("sqs_consumer", "message_retry_visibility_timeout_seconds", -1),
        ("sqs_consumer", "message_retry_visibility_timeout_seconds", 43201),
        ("sns_producer", "deferred_batch_size", 0),
        ("sns_producer", "skip", "perhaps"),
        ("sns_producer", "mock_sns", "perhaps"),
        ("sqs_message_dispatcher", "message_max_processing_attempts", "0"),
        ("sqs_envelope", "validate_md5", "perhaps"),
    ],
)
def test_settings_that_cannot_work_are_refused(key, name, value):
    with pytest.raises(ConfigurationError, match=rf"{key}\.{name}"):
        create_graph(**{key: {name: value}})


@pytest.mark.parametrize(
    ("endpoint", "refused"),
    [
        (None, False),
        ("https://sqs.example.com", False),
        ("http://localhost:4566", False),
        ("http://127.0.0.1:4566", False),
        ("http://[::1]:4566", False),
        ("http://10.1.2.3:4566", False),
        ("http://localstack:4566", False),
        ("http://queue.shop.svc.cluster.local", False),
        ("http://sqs.example.com", True),
        ("http://8.8.8.8:4566", True),
        ("http://sqs.eu-west-1.amazonaws.com", True),
    ],
)
def test_messages_do_not_travel_in_the_open(endpoint, refused):
    if refused:
        with pytest.raises(ConfigurationError, match=r"is not local.*use https"):
            check_endpoint(endpoint)
    else:
        check_endpoint(endpoint)
