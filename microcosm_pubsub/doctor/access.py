"""
The access to the queue: credentials, region, rights, the network, and the clock of this machine.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from email.utils import parsedate_to_datetime
from os import environ
from typing import Any

from botocore.exceptions import NoCredentialsError, PartialCredentialsError

from microcosm_pubsub.clients import (
    CLIENT_ERRORS,
    CREDENTIALS_ADVICE,
    LASTING_ERRORS,
    error_code,
    region_of,
)
from microcosm_pubsub.doctor.finding import Finding, error, ok, warning
from microcosm_pubsub.topology.engine import Engine
from microcosm_pubsub.topology.inventory import Inventory


#: A request whose time is off by more than this is refused, in seconds.
#: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-troubleshooting.html
MAX_SKEW_SECONDS = 5 * 60

#: A clock that is off by more than this is corrected by nobody, and drifts on; the deadlines of calls suffer before
#: that.
DOUBTFUL_SKEW_SECONDS = 30

#: The codes of requests whose time is off.
SKEW_CODES = frozenset({"RequestExpired", "RequestTimeTooSkewed", "SignatureDoesNotMatch", "InvalidSignatureException"})

DENIED = ("AccessDenied", "AuthorizationError")


def check_region(config: Any, engine: Engine) -> Iterator[Finding]:
    """Look at the region of the queue, of its URL, and of its client."""
    if engine.broker is not None:
        return
    named = region_of(str(config.sqs_consumer.sqs_queue_url or ""))
    used = engine.region_name
    if named and named != used:
        yield error(
            "region",
            f"the queue's URL is of {named}, but sqs_consumer.region_name is {used}: requests are signed for another "
            "region, and refused",
            "remove sqs_consumer.region_name: the URL tells the region",
        )
        return
    yield ok("region", f"{used}")
    if environ.get("AWS_REGION") and environ["AWS_REGION"] != used and not engine.endpoint_url:
        yield warning(
            "region",
            f"AWS_REGION is {environ['AWS_REGION']}, which boto3 does not read: {used} is used",
            "set AWS_DEFAULT_REGION",
        )


def describe_failure(failure: Exception, engine: Engine, name: str) -> Finding:
    """
    Return the meaning of a failed look at the queue.

    :param name: of the queue
    """
    code = error_code(failure)
    if isinstance(failure, (NoCredentialsError, PartialCredentialsError)):
        return error("credentials", f"there are none: {failure}", CREDENTIALS_ADVICE)
    operation = getattr(failure, "operation_name", "")
    status = getattr(failure, "response", {}).get("ResponseMetadata", {}).get("HTTPStatusCode")
    if any(word in code for word in DENIED):
        return error(
            "rights", f"{operation} of queue {name} is not allowed: {code}", f"allow sqs:{operation}: pubsub iam"
        )
    advice = LASTING_ERRORS.get(code)
    if (advice is not None and "credentials" in advice) or code in SKEW_CODES or "Token" in code:
        return error("credentials", f"{engine.name} refuses them: {code}", advice or "correct this machine's clock")
    if status in (401, 403):
        return error("credentials", f"{engine.name} refuses them, or what they may do: {code}", "see pubsub iam")
    if advice is not None:
        return error("queue", f"queue {name} cannot be looked at: {code}", advice)
    return error(
        "queue",
        f"{engine.name} does not answer: {' '.join(str(failure).split())}",
        "check endpoint_url, the network (a VPC endpoint, a proxy) and that the engine runs",
    )


def describe_missing(inventory: Inventory, engine: Engine, name: str) -> Finding:
    """Return that there is no such queue, and which one may be meant."""
    if engine.broker is not None:
        return ok("queue", f"{name} is not there yet: the daemon makes it when it starts")
    try:
        nearest = get_close_matches(name, list(inventory.iter_queue_names(name[:3])), 1)
    except CLIENT_ERRORS:
        # A daemon need not be allowed to list queues.
        nearest = []
    hint = f"did you mean {nearest[0]}? " if nearest else ""
    return error(
        "queue",
        f"there is no queue {name} in {engine.name}",
        f"{hint}Correct sqs_consumer.sqs_queue_url and the region, or make it: pubsub topology apply",
    )


def check_clock(headers: Mapping[str, str], now: float) -> Iterator[Finding]:
    """
    Look at the clock of this machine, beside that of the server that answered.

    :param headers: of an answer, or of a refusal
    :param now: the time of day here, in seconds since the epoch
    """
    text = next((value for name, value in headers.items() if name.lower() == "date"), None)
    if text is None:
        return
    try:
        theirs = parsedate_to_datetime(text).timestamp()
    except (TypeError, ValueError):
        return
    skew = now - theirs
    said = f"this machine's clock is {abs(skew):.0f} s {'ahead' if skew > 0 else 'behind'}"
    if abs(skew) > MAX_SKEW_SECONDS:
        yield error("clock", f"{said}, and AWS refuses what is signed so", "have NTP set it")
    elif abs(skew) > DOUBTFUL_SKEW_SECONDS:
        yield warning("clock", said, "have NTP set it: deadlines and retries go by it, and AWS allows five minutes")
    else:
        yield ok("clock", "it agrees with that of who answered")


def find_headers(failure: Exception) -> Mapping[str, str]:
    """Return the headers of a refusal."""
    headers = getattr(failure, "response", {}).get("ResponseMetadata", {}).get("HTTPHeaders")
    return headers if isinstance(headers, dict) else {}
