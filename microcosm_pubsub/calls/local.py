"""
Tasks that run where they are sent: here and now.
"""

from __future__ import annotations

from collections.abc import Mapping
from json import dumps, loads
from math import inf
from typing import Any, cast
from uuid import uuid4

from microcosm_pubsub.calls.errors import CallError
from microcosm_pubsub.calls.functions import Task
from microcosm_pubsub.calls.hooks import Hook, TaskHooks
from microcosm_pubsub.calls.running import QueueHandler
from microcosm_pubsub.constants import IDENTITY_KEY
from microcosm_pubsub.dispatcher import SQSMessageDispatcher
from microcosm_pubsub.graph import PubSubGraph
from microcosm_pubsub.message import SQSMessage


class LocalRuns:
    """
    Run tasks here and now, through all that a daemon's handlers go through.

    :param graph: gives that
    :param hooks: are called around every task
    """

    def __init__(self, graph: PubSubGraph, hooks: TaskHooks) -> None:
        self.hooks = hooks
        self.dispatcher = SQSMessageDispatcher(
            # A consumer would receive and settle, which nobody does here.
            consumer=cast(Any, None),
            registry=graph.sqs_message_handler_registry,
            middleware=graph.pubsub_middleware,
            policies=graph.pubsub_retry_policies,
            loop=graph.pubsub_event_loop,
            unit_middleware=graph.pubsub_unit_middleware,
            arguments=graph.pubsub_arguments,
        )

    def run(self, media_type: str, task: Task, call: dict[str, Any], hooks: Mapping[str, Hook]) -> Any:
        """
        Run a task until it has succeeded or is given up, and return its value.

        The waits between attempts, which it has elsewhere, are left out here.

        :param hooks: of this call, by what they are called for
        :raises Exception: what the last attempt raised
        """
        handler = QueueHandler(task.function.queue, [task.function], self.hooks, hooks.get)
        if hooks:
            # These hooks need no name that other processes know.
            call["hooks"] = {event: event for event in hooks}
        # The call goes through JSON, as it would on its way.
        content = loads(dumps({**call, "opaqueData": {IDENTITY_KEY: task.task_id}}))
        policy = task.function.handler_options.retry
        if "retries" not in content and (policy is None or policy.max_attempts is None):
            content["retries"] = 0
        attempt = 0
        while True:
            attempt += 1
            message: SQSMessage[Any] = SQSMessage(
                consumer=None,
                content=content,
                media_type=media_type,
                message_id=str(uuid4()),
                receipt_handle=None,
                approximate_receive_count=attempt,
            )
            assert message.message_id is not None
            handler.local[message.message_id] = None
            result = self.dispatcher.run(message, {media_type: handler})
            run = handler.local[message.message_id]
            if not result.retry:
                return None if run is None else run.value
            # One that fails before it begins, in a layer around it, has not limited its route.
            if result.dead_letter or (run is None and attempt > content.get("retries", inf)):
                if result.exc_info is not None:
                    raise result.exc_info[1]
                raise CallError(f"Task {task.name} was given up after {attempt} attempts: {result.extra.get('reason')}")
