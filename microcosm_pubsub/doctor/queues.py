"""
The queue and its dead-letter queue: what goes where, after how long, and how often.
"""

from __future__ import annotations

from collections.abc import Iterator

from microcosm_pubsub.clients import CLIENT_ERRORS, error_code
from microcosm_pubsub.constants import MAX_RETENTION_SECONDS
from microcosm_pubsub.daemon import ConsumerDaemon
from microcosm_pubsub.doctor.finding import Finding, error, ok, warning
from microcosm_pubsub.topology.admission import to_list
from microcosm_pubsub.topology.inventory import FoundResource, Inventory, read_json, read_redrive


#: Fewer receives than this, and one process that dies sends a message away that nothing is wrong with.
MIN_RECEIVE_COUNT = 3

#: More than this, and a message that nobody can handle is handled for hours.
MAX_RECEIVE_COUNT = 100

#: Messages that are kept for less than this are gone after a night of an outage, in seconds.
MIN_RETENTION_SECONDS = 24 * 60 * 60


def check_dead_letters(daemon: ConsumerDaemon, inventory: Inventory, queue: FoundResource) -> Iterator[Finding]:
    """Look at where messages go that were received too often, and at when they do."""
    redrive = read_redrive(queue.attributes)
    configured = daemon.graph.config.sqs_consumer.dead_letter_queue_url
    if redrive is None:
        yield error(
            "dead letters",
            f"{name_of(queue)} has no redrive policy: a message that cannot be handled comes again until it is deleted "
            "unseen",
            "make a dead-letter queue and a redrive policy: pubsub topology apply",
        )
        return
    arn, count = redrive
    name = arn.rpartition(":")[2]
    yield from check_count(daemon, count)
    if configured and configured.rpartition("/")[2] != name:
        yield warning(
            "dead letters",
            f"the daemon sends them to {configured.rpartition('/')[2]} (sqs_consumer.dead_letter_queue_url), and the "
            f"redrive policy to {name}",
            "let both name one queue",
        )
    try:
        target = inventory.find_queue(name)
    except CLIENT_ERRORS as failure:
        yield warning("dead letters", f"{name} cannot be looked at: {error_code(failure)}", "see pubsub iam consumer")
        return
    if target is None:
        yield error(
            "dead letters", f"the redrive policy names {name}, which is not there", "make it: pubsub topology apply"
        )
        return
    yield from check_target(queue, target, name)
    yield from check_retention(queue, target, name)


def check_count(daemon: ConsumerDaemon, count: int) -> Iterator[Finding]:
    """Look at after how many receives a message is given up, beside the attempts that handlers may have."""
    policies = daemon.graph.pubsub_retry_policies
    registry = daemon.graph.sqs_message_handler_registry
    attempts = {
        media_type: policies.complete(registry.find_options(media_type, handler).retry).max_attempts
        for media_type, handler in daemon.bound_handlers.items()
    }
    most = max((each for each in attempts.values() if each is not None), default=0)
    if most >= count:
        media_type = next(key for key, each in attempts.items() if each == most)
        yield warning(
            "dead letters",
            f"maxReceiveCount is {count}, and handlers of {media_type} may have {most} attempts: the queue gives up "
            "first, without a reason",
            f"set maxReceiveCount to {most + 1} or more: releases count as receives too",
        )
    elif count < MIN_RECEIVE_COUNT:
        yield warning(
            "dead letters",
            f"maxReceiveCount is {count}: a process that dies sends away messages that nothing is wrong with",
            f"set it to {MIN_RECEIVE_COUNT} or more",
        )
    elif count > MAX_RECEIVE_COUNT:
        yield warning(
            "dead letters",
            f"maxReceiveCount is {count}: a message that nobody can handle keeps workers busy for long",
            f"set it to {MAX_RECEIVE_COUNT} or less",
        )


def check_target(queue: FoundResource, target: FoundResource, name: str) -> Iterator[Finding]:
    """Look at a dead-letter queue: whether it takes dead letters, and where they go on to."""
    allowed = read_json(target.attributes.get("RedriveAllowPolicy")) or {}
    permission = allowed.get("redrivePermission", "allowAll") if isinstance(allowed, dict) else "allowAll"
    if permission == "denyAll" or (
        permission == "byQueue" and queue.arn not in to_list(allowed.get("sourceQueueArns"))
    ):
        yield error(
            "dead letters",
            f"{name} takes none from {name_of(queue)}: its RedriveAllowPolicy says {permission}",
            "allow the queue there",
        )
    elif read_redrive(target.attributes) is not None:
        yield warning(
            "dead letters",
            f"{name} has a redrive policy itself: whoever looks into it too often sends its messages on",
            "remove the redrive policy of the dead-letter queue",
        )
    elif waiting := int(target.attributes.get("ApproximateNumberOfMessages") or 0):
        yield warning("dead letters", f"{name} holds about {waiting}", "look into it: pubsub dlq")
    else:
        yield ok("dead letters", f"go to {name}, which is empty")


def check_retention(queue: FoundResource, target: FoundResource, name: str) -> Iterator[Finding]:
    """
    Look at how long messages are kept.

    In a standard dead-letter queue a message's age goes on from when it was sent first.
    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-dead-letter-queues.html
    """
    seconds, dead_seconds = (int(each.attributes.get("MessageRetentionPeriod") or 345600) for each in (queue, target))
    if dead_seconds < seconds:
        yield error(
            "retention",
            f"{name} keeps messages for {to_days(dead_seconds)}, {name_of(queue)} for {to_days(seconds)}: one may be "
            "deleted as soon as it is a dead letter, since its age goes on",
            f"set MessageRetentionPeriod of {name} to {MAX_RETENTION_SECONDS} (14 days)",
        )
    elif dead_seconds == seconds < MAX_RETENTION_SECONDS:
        yield warning(
            "retention",
            f"{name} and {name_of(queue)} both keep messages for {to_days(seconds)}: there is little time to look at "
            "what failed at its end",
            f"set MessageRetentionPeriod of {name} to {MAX_RETENTION_SECONDS} (14 days)",
        )
    elif seconds < MIN_RETENTION_SECONDS:
        yield warning(
            "retention",
            f"{name_of(queue)} keeps messages for {to_days(seconds)}: an outage that lasts longer loses them",
            f"set MessageRetentionPeriod to {MIN_RETENTION_SECONDS} or more",
        )
    else:
        yield ok("retention", f"{to_days(seconds)}, and dead letters {to_days(dead_seconds)}")


def check_queue(queue: FoundResource) -> Iterator[Finding]:
    """Look at the queue itself."""
    if delay := int(queue.attributes.get("DelaySeconds") or 0):
        yield warning(
            "queue",
            f"every message of {name_of(queue)} waits {delay} s (DelaySeconds)",
            "set it to 0 if that is not meant",
        )
    else:
        yield ok("queue", f"{name_of(queue)} answers")


def name_of(queue: FoundResource) -> str:
    """Return the name of a queue."""
    return queue.url.rpartition("/")[2]


def to_days(seconds: int) -> str:
    """Return a time as people say it."""
    for size, unit in ((24 * 60 * 60, "days"), (60 * 60, "hours"), (60, "minutes")):
        if seconds >= size:
            return f"{seconds / size:g} {unit}" if seconds != size else f"1 {unit[:-1]}"
    return f"{seconds} seconds"
