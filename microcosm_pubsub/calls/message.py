"""
What stands in a call: the method, its parameters, and what its sender wants beside that.
"""

from __future__ import annotations

import re
from typing import Any

from marshmallow import ValidationError, fields, validate

from microcosm_pubsub.conventions import created
from microcosm_pubsub.conventions.messages import ConventionalMessageSchema
from microcosm_pubsub.errors import ConfigurationError
from microcosm_pubsub.registry import PubSubMessageSchemaRegistry


VERSION = "2.0"

#: An id is kept in memory by whoever answers.
MAX_ID_LENGTH = 128
MAX_METHOD_LENGTH = 256

#: What names a queue of tasks, or a service: a segment of a media type.
NAME = re.compile(r"[a-z0-9][a-z0-9_]{0,63}")


class Params(fields.Field):  # type: ignore[type-arg, unused-ignore]
    """Parameters by position, or by name."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        if not isinstance(value, (dict, list)):
            raise ValidationError("Not parameters by position or by name.")
        return value


class CallSchema(ConventionalMessageSchema):
    """A call: of a task, or of a service's method."""

    jsonrpc = fields.String(required=True, validate=validate.Equal(VERSION))
    method = fields.String(required=True, validate=validate.Length(min=1, max=MAX_METHOD_LENGTH))
    params = Params(required=False)
    id = fields.String(required=False, validate=validate.Length(min=1, max=MAX_ID_LENGTH))
    #: The name of the queue to which the answer goes, in the account of the service.
    reply_to = fields.String(required=False, data_key="replyTo", validate=validate.Length(max=80))
    #: In seconds since the epoch: from then on nobody waits for it.
    deadline = fields.Float(required=False)
    #: How often a task that fails is tried again.
    retries = fields.Integer(required=False, strict=True, validate=validate.Range(min=0))
    #: The names of hooks, by what they are called for.
    hooks = fields.Dict(required=False, keys=fields.String(), values=fields.String())


def make_task_media_type(queue: str) -> str:
    """Return the media type of the tasks of a queue."""
    return created(f"task.{check_name('queue', queue)}")


def make_request_media_type(service: str) -> str:
    """Return the media type of the requests to a service."""
    return created(f"request.{check_name('service', service)}")


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
