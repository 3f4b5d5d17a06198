"""
Delivery policies: when a delivery to a web server is tried again.

A policy has four phases: retries at once, retries with the least delay, retries whose delay grows from the least to the
most, and retries with the most. AWS shows how the four functions grow in a picture alone; the formulas are ours.

https://docs.aws.amazon.com/sns/latest/dg/sns-message-delivery-retries.html#creating-delivery-policy
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from json import loads
from re import fullmatch
from typing import Any

from microcosm_pubsub.broker.sns.refusals import invalid_parameter


#: No delivery is tried for longer: "the total policy retry time for a delivery to an HTTP/S endpoint".
MAX_TOTAL_SECONDS = 3600

MAX_RETRIES = 100

DEFAULTS = {
    "minDelayTarget": 20,
    "maxDelayTarget": 20,
    "numRetries": 3,
    "numNoDelayRetries": 0,
    "numMinDelayRetries": 0,
    "numMaxDelayRetries": 0,
    "backoffFunction": "linear",
}

#: How the delay grows, from 0 to 1 in n steps, with the step i from 0 to n - 1.
FUNCTIONS = {
    "linear": lambda i, n: i / (n - 1),
    "arithmetic": lambda i, n: (i / (n - 1)) ** 2,
    "geometric": lambda i, n: (i / (n - 1)) ** 3,
    "exponential": lambda i, n: (2**i - 1) / (2 ** (n - 1) - 1),
}


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """
    The times at which a delivery is tried again.

    :param min_seconds: the least delay
    :param max_seconds: the most
    :param retries: in all
    :param at_once: of these, the first ones, without delay
    :param with_min: the number of attempts that follow with the least delay
    :param with_max: the number of attempts at the end, with the most delay
    """

    min_seconds: int
    max_seconds: int
    retries: int
    at_once: int
    with_min: int
    with_max: int
    function: str

    def delay_seconds(self, attempts: int) -> float | None:
        """Return the delay after a number of failed attempts; None if it is not tried again."""
        retry = attempts - 1
        if retry >= self.retries:
            return None
        if retry < self.at_once:
            return 0.0
        if retry < self.at_once + self.with_min:
            return float(self.min_seconds)
        if retry >= self.retries - self.with_max:
            return float(self.max_seconds)
        step = retry - self.at_once - self.with_min
        steps = self.retries - self.at_once - self.with_min - self.with_max
        part = FUNCTIONS[self.function](step, steps) if steps > 1 else 0.0
        return self.min_seconds + (self.max_seconds - self.min_seconds) * part


def policy_of(subscription: Mapping[str, str], topic: Mapping[str, str]) -> RetryPolicy:
    """
    Return the policy that the attributes of a subscription say, or those of its topic, or AWS's default.

    :raises Refusal: if it is none
    """
    of_topic = _load(topic.get("DeliveryPolicy", ""))
    http = _section(of_topic, "http")
    own = _load(subscription.get("DeliveryPolicy", ""))
    if own and not http.get("disableSubscriptionOverrides"):
        return _parse(_section(own, "healthyRetryPolicy"))
    return _parse(_section(http, "defaultHealthyRetryPolicy"))


def content_type_of(subscription: Mapping[str, str]) -> str | None:
    """
    Return the media type that a subscription's policy wants for its requests; None if it wants none.

    :raises Refusal: if it is none
    """
    request = _section(_load(subscription.get("DeliveryPolicy", "")), "requestPolicy")
    content_type = request.get("headerContentType")
    if content_type is not None and not (isinstance(content_type, str) and fullmatch(r"[!-~ ]{1,200}", content_type)):
        raise invalid_parameter("DeliveryPolicy: headerContentType must be a media type")
    return content_type


def check_policy(text: str, of_topic: bool = False) -> None:
    """
    Refuse a policy that SNS refuses.

    :param of_topic: whether it is a topic's, which is written in another way
    :raises Refusal: if so
    """
    attributes = {"DeliveryPolicy": text}
    if of_topic:
        policy_of({}, attributes)
    else:
        policy_of(attributes, {})
        content_type_of(attributes)


def _load(text: str) -> dict[str, Any]:
    if not text:
        return {}
    try:
        policy = loads(text)
    except (ValueError, RecursionError):
        policy = None
    if not isinstance(policy, dict):
        raise invalid_parameter("DeliveryPolicy: failed to parse JSON.")
    return policy


def _section(policy: Mapping[str, Any], name: str) -> dict[str, Any]:
    section = policy.get(name) or {}
    if not isinstance(section, dict):
        raise invalid_parameter(f"DeliveryPolicy: {name} must be an object")
    return section


def _parse(said: Mapping[str, Any]) -> RetryPolicy:
    known = {**DEFAULTS, **{name: value for name, value in said.items() if value is not None}}
    if unknown := set(known) - set(DEFAULTS):
        raise invalid_parameter(f"DeliveryPolicy: unexpected JSON member: {', '.join(sorted(unknown))}")
    if known["backoffFunction"] not in FUNCTIONS:
        raise invalid_parameter(f"DeliveryPolicy: backoffFunction must be one of {', '.join(FUNCTIONS)}")
    numbers = [known[name] for name in list(DEFAULTS)[:-1]]
    if any(type(number) is not int or number < 0 for number in numbers):
        raise invalid_parameter("DeliveryPolicy: delays and retries must be whole numbers, and not negative")
    least, most, retries, at_once, with_min, with_max = numbers
    if not 1 <= least <= most <= MAX_TOTAL_SECONDS:
        raise invalid_parameter("DeliveryPolicy: minDelayTarget must be from 1 to maxDelayTarget, that up to 3600")
    if retries > MAX_RETRIES or at_once + with_min + with_max > retries:
        raise invalid_parameter(
            f"DeliveryPolicy: numRetries must be at most {MAX_RETRIES}, and at least the sum of its phases"
        )
    policy = RetryPolicy(least, most, retries, at_once, with_min, with_max, known["backoffFunction"])
    if sum(policy.delay_seconds(attempts) or 0.0 for attempts in range(1, retries + 1)) > MAX_TOTAL_SECONDS:
        raise invalid_parameter(f"DeliveryPolicy: all delays together must be at most {MAX_TOTAL_SECONDS} seconds")
    return policy
