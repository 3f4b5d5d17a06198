"""
Pub/sub daemons on AWS SNS and SQS, wired by a microcosm object graph.

A map of the package, in the order in which data flows: from the words, by what a message says and who handles it, over
the wire to the two ends, and to what runs a handler. Lines below may import lines above, never the other way round, and
names on one line do not import each other. `pyproject.toml` holds this (`importlinter`).

- `constants`, `errors`, `graph`, `version`: the vocabulary, and the types of a graph's components; no I/O.
- `config`, `fast`: configuration values; short ways that stand in for plain code, with one switch.
- `message`: one received message, and the time for which it is ours.
- `backoff`, `result`: when it comes again, and what came of handling it.
- `codecs`, `types`: what a message says, as text; the types that the parts share.
- `conventions`: media types and schemas of lifecycle changes.
- `batch`, `fields`: a message of messages; fields of schemas.
- `retry`: whether it is tried again, or given up.
- `registry`: who says what, who handles it, and how.
- `decorators`: `@schema` and `@handles`.
- `context`: what is known while a message is handled.
- `reader`: queues that are files.
- `envelope`: how a wire body becomes a message.
- `clients`: the wire.
- `dead_letters`: the last end of a message: peek, group, redrive.
- `consumer`, `producer`: the two public ends.
- `middleware`: what wraps a handler.
- `dispatcher`: run, settle, notify.
- `meters`, `metrics`, `payloads`, `sentry`, `traces`: observers; content that is an instance of a class.
- `chain`: handlers as chains of small functions.
- `handlers`: ready-made handlers.
- `broker`, `sql`: SNS and SQS on SQL; handlers in a transaction, their inbox and outbox.
- `testing`: clients that record, for users' tests.
- `matchers`: what users' tests say of messages.
- `health`: what an orchestrator asks over HTTP.
- `lambda_handler`, `worker`: many messages at once, there and here.
- `daemon`: the program.
- `harness`: a daemon under test.
- `calls`, `gate`, `modules`, `topology`: tasks, and requests with answers; whether a change of a schema breaks
  somebody; queues and their handlers, named in a file; what there has to be in AWS.
- `ledger`: tasks with a memory: states, results, schedules, cursors.
- `doctor`, `server`: what is wrong with a set-up; the broker over HTTP.
- `cli`, `pytest_plugin`: the commands; fixtures for users' tests.

A consumed message comes in by `worker`, goes through `dispatcher.SQSMessageDispatcher` (`run`, `settle`, `notify`), and
is gone from the queue only when its outcome says so. Start reading at `dispatcher`, then `worker.worker`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any


if TYPE_CHECKING:
    from microcosm_pubsub.calls.changes import Change, on_change
    from microcosm_pubsub.calls.declaring import hook, task, tasks
    from microcosm_pubsub.calls.errors import (
        CallError,
        InvalidParams,
        MethodNotFound,
        NoLedger,
        RemoteError,
        RpcError,
        RpcTimeout,
    )
    from microcosm_pubsub.calls.functions import Task
    from microcosm_pubsub.calls.hooks import TaskHooks
    from microcosm_pubsub.calls.jobs import Job
    from microcosm_pubsub.calls.service import Service, service
    from microcosm_pubsub.codecs import PubSubMessageSchema
    from microcosm_pubsub.context import current_message
    from microcosm_pubsub.conventions import changed, created, deleted
    from microcosm_pubsub.daemon import ConsumerDaemon
    from microcosm_pubsub.decorators import handles, schema
    from microcosm_pubsub.errors import (
        DeadLetter,
        IgnoreMessage,
        LeaseLost,
        MessageValidationError,
        Nack,
        PublishError,
        PubSubError,
        SkipMessage,
        TopicNotDefinedError,
        TTLExpired,
    )
    from microcosm_pubsub.ledger.errors import TaskCancelled, TaskFailed, TaskTimeout
    from microcosm_pubsub.message import SQSMessage
    from microcosm_pubsub.producer import Producer, PublishOptions, SNSProducer, make_producer
    from microcosm_pubsub.result import MessageHandlingResult, MessageHandlingResultType
    from microcosm_pubsub.retry import RetryPolicy
    from microcosm_pubsub.worker.settings import WorkerSettings

#: The module of each name that users import. It is imported when the name is asked for, so that no program loads what
#: it does not use: https://peps.python.org/pep-0562/
_HOMES = {
    "CallError": "calls.errors",
    "Change": "calls.changes",
    "ConsumerDaemon": "daemon",
    "DeadLetter": "errors",
    "IgnoreMessage": "errors",
    "InvalidParams": "calls.errors",
    "Job": "calls.jobs",
    "LeaseLost": "errors",
    "MessageHandlingResult": "result",
    "MessageHandlingResultType": "result",
    "MessageValidationError": "errors",
    "MethodNotFound": "calls.errors",
    "Nack": "errors",
    "NoLedger": "calls.errors",
    "Producer": "producer",
    "PubSubError": "errors",
    "PubSubMessageSchema": "codecs",
    "PublishError": "errors",
    "PublishOptions": "producer",
    "RemoteError": "calls.errors",
    "RetryPolicy": "retry",
    "RpcError": "calls.errors",
    "RpcTimeout": "calls.errors",
    "SNSProducer": "producer",
    "SQSMessage": "message",
    "Service": "calls.service",
    "SkipMessage": "errors",
    "TTLExpired": "errors",
    "Task": "calls.functions",
    "TaskCancelled": "ledger.errors",
    "TaskFailed": "ledger.errors",
    "TaskHooks": "calls.hooks",
    "TaskTimeout": "ledger.errors",
    "TopicNotDefinedError": "errors",
    "WorkerSettings": "worker.settings",
    "changed": "conventions",
    "created": "conventions",
    "current_message": "context",
    "deleted": "conventions",
    "handles": "decorators",
    "hook": "calls.declaring",
    "make_producer": "producer",
    "on_change": "calls.changes",
    "schema": "decorators",
    "service": "calls.service",
    "task": "calls.declaring",
    "tasks": "calls.declaring",
}

__all__ = [
    "CallError",
    "Change",
    "ConsumerDaemon",
    "DeadLetter",
    "IgnoreMessage",
    "InvalidParams",
    "Job",
    "LeaseLost",
    "MessageHandlingResult",
    "MessageHandlingResultType",
    "MessageValidationError",
    "MethodNotFound",
    "Nack",
    "NoLedger",
    "Producer",
    "PubSubError",
    "PubSubMessageSchema",
    "PublishError",
    "PublishOptions",
    "RemoteError",
    "RetryPolicy",
    "RpcError",
    "RpcTimeout",
    "SNSProducer",
    "SQSMessage",
    "Service",
    "SkipMessage",
    "TTLExpired",
    "Task",
    "TaskCancelled",
    "TaskFailed",
    "TaskHooks",
    "TaskTimeout",
    "TopicNotDefinedError",
    "WorkerSettings",
    "changed",
    "created",
    "current_message",
    "deleted",
    "handles",
    "hook",
    "make_producer",
    "on_change",
    "schema",
    "service",
    "task",
    "tasks",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
