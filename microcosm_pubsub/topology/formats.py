"""
A topology in the words of the tool that makes it.
"""

from __future__ import annotations

from collections.abc import Callable
from json import dumps
from typing import Any

from microcosm_pubsub.topology.plan import Topology
from microcosm_pubsub.topology.resources import make_queue_attributes, make_queue_policy, make_subscription_filter
from microcosm_pubsub.topology.templates import make_cdk, make_cloudformation
from microcosm_pubsub.topology.terraform import make_terraform


def make_json(topology: Topology) -> dict[str, Any]:
    """Return a topology in words of our own."""
    queue = topology.queue
    made: dict[str, Any] = {
        "name": topology.name,
        "topics": [
            {"name": topic.name, "fifo": topic.is_fifo, "published": list(topic.published)} for topic in topology.topics
        ],
        "queue": None,
        "subscriptions": [
            {"topic": topic.name, "queue": queue.name, "filter_policy": make_subscription_filter(topic)}
            for topic in topology.subscribed
            if queue is not None
        ],
    }
    if queue is not None:
        senders = [f"topic {topic.name}" for topic in topology.subscribed]
        made["queue"] = {
            "name": queue.name,
            "fifo": queue.is_fifo,
            "attributes": make_queue_attributes(queue, topology.kms_key, is_dead_letters=False),
            "dead_letter_queue": queue.dead_letter_queue,
            "max_receive_count": queue.max_receive_count,
            "policy": make_queue_policy(f"queue {queue.name}", senders),
        }
    return made


def make_description(topology: Topology) -> dict[str, Any]:
    """Return the file that `pubsub serve --config` reads."""
    queue = topology.queue
    made: dict[str, Any] = {"queues": {}, "topics": {topic.name: {} for topic in topology.topics}}
    if queue is not None:
        made["queues"][queue.dead_letter_queue] = {}
        made["queues"][queue.name] = {
            "attributes": {"VisibilityTimeout": queue.visibility_timeout_seconds},
            "dead_letter_queue": queue.dead_letter_queue,
            "max_receive_count": queue.max_receive_count,
        }
        for topic in topology.subscribed:
            subscription = {"queue": queue.name, "filter_policy": make_subscription_filter(topic)}
            made["topics"][topic.name] = {"subscriptions": [subscription]}
    return made


def make_mermaid(topology: Topology) -> str:
    """Return a picture: https://mermaid.js.org/syntax/flowchart.html"""
    lines = ["flowchart LR"]
    for index, topic in enumerate(topology.topics):
        lines.append(f'    t{index}[/"topic {topic.name}"/]')
        if topic.published:
            lines.append(f'    p([producers]) -->|"{"<br>".join(topic.published)}"| t{index}')
        if topology.queue is not None and topic.handled:
            lines.append(f'    t{index} -->|"{"<br>".join(topic.handled)}"| q')
    if topology.queue is not None:
        lines.append(f'    q[("queue {topology.queue.name}")] --> d([daemon {topology.name}])')
        lines.append(f'    q -->|"after {topology.queue.max_receive_count} receives"| l')
        lines.append(f'    l[("{topology.queue.dead_letter_queue}")]')
    return "\n".join(lines)


def encode(make: Callable[[Topology], Any]) -> Callable[[Topology], str]:
    """Return a format that is written as JSON."""
    return lambda topology: dumps(make(topology), indent=2)


FORMATS: dict[str, Callable[[Topology], str]] = {
    "json": encode(make_json),
    "terraform": make_terraform,
    "cloudformation": encode(make_cloudformation),
    "cdk-json": encode(make_cdk),
    "pubsub-serve": encode(make_description),
    "mermaid": make_mermaid,
}
