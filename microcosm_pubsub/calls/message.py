"""
The form of a call: the method, its parameters, and the options of its sender.
"""

from __future__ import annotations

import re
from typing import Any

from marshmallow import fields

from microcosm_pubsub.conventions import created
from microcosm_pubsub.conventions.messages import ConventionalMessageSchema
from microcosm_pubsub.conventions.naming import REQUEST, TASK
from microcosm_pubsub.errors import ConfigurationError
from microcosm_pubsub.registry import PubSubMessageSchemaRegistry


VERSION = "2.0"

#: A service keeps the ids of requests in memory.
MAX_ID_LENGTH = 128
MAX_METHOD_LENGTH = 256

#: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-queues.html
MAX_QUEUE_NAME_LENGTH = 80

PARAMS = (dict, list, type(None))

#: What every call has; of what has more, more is to be checked.
ALWAYS = frozenset({"jsonrpc", "media_type", "method", "opaque_data", "params"})

#: The name of a queue of tasks, or of a service: a segment of a media type.
NAME = re.compile(r"[a-z0-9][a-z0-9_]{0,63}")


class CallSchema(ConventionalMessageSchema):
    """A call: of a task, or of a service's method; `find_problem` checks the rest."""

    jsonrpc = fields.String(required=True)
    method = fields.String(required=True)
    #: By position, or by name.
    params = fields.Raw(required=False)
    id = fields.String(required=False)
    #: The name of the queue to which the answer goes, in the account of the service.
    reply_to = fields.String(required=False, data_key="replyTo")
    #: In seconds since the epoch: from then on nobody waits for it.
    deadline = fields.Float(required=False)
    #: The number of times that a task that fails is tried again.
    retries = fields.Integer(required=False, strict=True)
    #: Whether the task is remembered: in the ledger, by its id.
    ledger = fields.Boolean(required=False, truthy={True}, falsy={False})
    #: The names of hooks, by what they are called for.
    hooks = fields.Dict(required=False, keys=fields.String(), values=fields.String())


def find_problem(call: Any) -> str | None:
    """
    Return the fault of a call that its schema let through, or None.

    That is done here and not by validators, since each of those costs as much as a field.
    """
    if not isinstance(call, dict):
        return "it is no object"
    if call.get("jsonrpc") != VERSION:
        return f"jsonrpc is not {VERSION}"
    if not 0 < len(call["method"]) <= MAX_METHOD_LENGTH:
        return f"the method's name is empty, or longer than {MAX_METHOD_LENGTH}"
    if not isinstance(call.get("params"), PARAMS):
        return "its parameters are neither a list nor an object"
    return None if call.keys() <= ALWAYS else _find_problem_of_options(call)


def _find_problem_of_options(call: dict[str, Any]) -> str | None:
    if "id" in call and not 0 < len(call["id"]) <= MAX_ID_LENGTH:
        return f"its id is empty, or longer than {MAX_ID_LENGTH}"
    if len(call.get("reply_to", "")) > MAX_QUEUE_NAME_LENGTH:
        return f"the name of its queue is longer than {MAX_QUEUE_NAME_LENGTH}"
    if call.get("retries", 0) < 0:
        return "its retries are below 0"
    return None


def make_task_media_type(queue: str) -> str:
    """Return the media type of the tasks of a queue."""
    return created(f"{TASK}.{check_name('queue', queue)}")


def make_request_media_type(service: str) -> str:
    """Return the media type of the requests to a service."""
    return created(f"{REQUEST}.{check_name('service', service)}")


def check_name(what: str, name: Any) -> str:
    """
    Return a name that can be a segment of a media type.

    :raises ConfigurationError: if it cannot
    """
    if not (isinstance(name, str) and NAME.fullmatch(name)):
        raise ConfigurationError(
            f"The {what} is named {name!r}, but must be named by lower-case letters, digits and _, at most 64 of them"
        )
    return name


def register_calls(registry: PubSubMessageSchemaRegistry, media_type: str) -> None:
    """Let messages of a media type be calls."""
    registry.register(media_type, CallSchema)
