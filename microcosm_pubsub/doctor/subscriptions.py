"""
Topics and subscriptions: whether what handlers are for gets to them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from json import dumps
from typing import Any

from microcosm_pubsub.broker.sns.filter_condition import PolicyError
from microcosm_pubsub.broker.sns.filter_policy import parse_policy
from microcosm_pubsub.clients import CLIENT_ERRORS, error_code
from microcosm_pubsub.constants import MEDIA_TYPE_ATTRIBUTE
from microcosm_pubsub.daemon import ConsumerDaemon
from microcosm_pubsub.doctor.finding import Finding, error, ok, warning
from microcosm_pubsub.envelope.parsers import SNSMessageBodyParser
from microcosm_pubsub.registry.patterns import ONE, REST, find_matching
from microcosm_pubsub.topology.admission import admits
from microcosm_pubsub.topology.comparison import SCOPE
from microcosm_pubsub.topology.engine import Engine
from microcosm_pubsub.topology.inventory import PENDING, FoundResource, Inventory, read_json
from microcosm_pubsub.topology.plan import Topic, Topology


APPLY = "pubsub topology apply makes it so"


def check_subscriptions(
    daemon: ConsumerDaemon, topology: Topology, engine: Engine, inventory: Inventory, queue: FoundResource
) -> Iterator[Finding]:
    """Look at the topics of the media types that the daemon handles, and at the queue's subscriptions to them."""
    for topic in topology.subscribed:
        try:
            found = inventory.find_topic(topic)
            subscription = found and inventory.find_subscription(found.arn, queue.arn)
        except CLIENT_ERRORS as failure:
            yield warning(
                "subscription",
                f"topic {topic.name} cannot be looked at: {error_code(failure)}",
                "allow sns:GetTopicAttributes, sns:ListSubscriptionsByTopic and sns:GetSubscriptionAttributes, and "
                "check the region and the account in sns_topic_arns",
            )
            continue
        if found is None or subscription is None:
            yield describe_absence(topic, found, engine)
            continue
        if subscription.attributes.get(PENDING) == "true":
            yield error(
                "subscription",
                f"the subscription to {topic.name} waits to be confirmed: nothing comes",
                "subscribe as the account of the queue, or confirm it with the token in the queue's first message",
            )
            continue
        yield ok("subscription", f"to {topic.name}")
        yield from check_filter(daemon, topic, subscription)
        yield from check_raw(daemon, topic, subscription)
        if engine.broker is None and not admits(queue.attributes.get("Policy"), found.arn):
            yield error(
                "policy",
                f"the queue's policy does not let {topic.name} send: SNS drops what is published",
                f"allow sqs:SendMessage to sns.amazonaws.com for aws:SourceArn {found.arn}; {APPLY}",
            )


def describe_absence(topic: Topic, found: FoundResource | None, engine: Engine) -> Finding:
    """Return that a topic is not there, or that the queue is not subscribed to it."""
    what = f"there is no topic {topic.name}" if found is None else f"the queue is not subscribed to {topic.name}"
    check = "topic" if found is None else "subscription"
    if engine.broker is not None:
        return ok(check, f"{what}: the daemon makes it so when it starts")
    wrong = "correct sns_topic_arns, or make it" if found is None else "subscribe it"
    return error(check, f"{what}: nothing of {', '.join(topic.handled)} comes", f"{wrong}: {APPLY}")


def check_filter(daemon: ConsumerDaemon, topic: Topic, subscription: FoundResource) -> Iterator[Finding]:
    """Look at the media types that a subscription lets through, beside those that are handled."""
    policy = read_json(subscription.attributes.get("FilterPolicy")) or {}
    what = f"the subscription to {topic.name}"
    if not policy:
        yield warning(
            "filter",
            f"{what} has no filter policy: everything that is published there comes, and what nobody handles is "
            f"{daemon.graph.pubsub_unhandled.action}ed",
            f"set one on {MEDIA_TYPE_ATTRIBUTE}; {APPLY}",
        )
        return
    if (scope := subscription.attributes.get("FilterPolicyScope") or SCOPE) != SCOPE:
        yield error(
            "filter",
            f"{what} filters by {scope}, and our messages are told apart by the attribute {MEDIA_TYPE_ATTRIBUTE}",
            f"set FilterPolicyScope to {SCOPE}; {APPLY}",
        )
        return
    stopped = [media_type for media_type in topic.handled if not lets_through(policy, media_type)]
    if stopped:
        yield error("filter", f"{what} does not let through {', '.join(stopped)}, which is handled", APPLY)
    if others := sorted(set(policy) - {MEDIA_TYPE_ATTRIBUTE}):
        yield warning(
            "filter",
            f"{what} also asks for {', '.join(others)}, which our messages have only if their publisher gives it",
            "remove it from the filter policy, or publish with PublishOptions(attributes=...)",
        )
    if strangers := [each for each in find_values(policy) if not is_handled(each, daemon.bound_handlers)]:
        yield warning(
            "filter",
            f"{what} lets through {', '.join(strangers)}, which nobody handles",
            f"import its handler, or remove it; {APPLY}",
        )
    if not (stopped or others or strangers):
        yield ok("filter", f"{what} lets through what is handled")


def lets_through(policy: Mapping[str, Any], media_type: str) -> bool:
    """Return whether a filter policy lets a media type through, apart from its other conditions."""
    if MEDIA_TYPE_ATTRIBUTE not in policy:
        return True
    segments = media_type.split(".")
    # A media type that the pattern matches.
    sample = ".".join("any" if segment in (ONE, REST) else segment for segment in segments)
    try:
        matcher = parse_policy(dumps({MEDIA_TYPE_ATTRIBUTE: policy[MEDIA_TYPE_ATTRIBUTE]}), nested=False)
    except PolicyError:
        return False
    return matcher.matches({MEDIA_TYPE_ATTRIBUTE: [sample]})


def find_values(policy: Mapping[str, Any]) -> list[str]:
    """Return the media types that a filter policy names one by one."""
    values = policy.get(MEDIA_TYPE_ATTRIBUTE)
    return [value for value in values if isinstance(value, str)] if isinstance(values, list) else []


def is_handled(media_type: str, handlers: Mapping[str, Any]) -> bool:
    """Return whether a media type has a handler."""
    try:
        find_matching(media_type, handlers)
    except KeyError:
        return False
    return True


def check_raw(daemon: ConsumerDaemon, topic: Topic, subscription: FoundResource) -> Iterator[Finding]:
    """
    Look at whether the daemon reads the form that SNS writes.

    https://docs.aws.amazon.com/sns/latest/dg/sns-large-payload-raw-message-delivery.html
    """
    envelope = daemon.graph.sqs_envelope
    is_raw = subscription.attributes.get("RawMessageDelivery") == "true"
    if not is_raw and not isinstance(envelope, SNSMessageBodyParser):
        yield warning(
            "raw delivery",
            f"{type(envelope).__name__} takes SNS's wrapping of messages of {topic.name} for the message",
            "set RawMessageDelivery of the subscription to true, or sqs_envelope.strategy_name to CodecSQSEnvelope",
        )
    elif is_raw:
        yield ok("raw delivery", f"on, for {topic.name}: messages with more than 10 attributes are dropped by SNS")
    else:
        yield ok("raw delivery", f"off, for {topic.name}: bodies are SNS's, which the envelope reads")
