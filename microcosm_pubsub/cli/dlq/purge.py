"""
`pubsub dlq purge`: delete all messages of a dead-letter queue.
"""

from __future__ import annotations

import sys
from argparse import Namespace

from microcosm_pubsub.cli.dlq.session import open_session, print_json
from microcosm_pubsub.cli.flags import find_broker_url


def purge(args: Namespace) -> int:
    """Delete all messages, after somebody has typed the queue's name."""
    with open_session(args, deferred=False) as session:
        queue = session.find_queue_to_receive_from()
        count = queue.visible + queue.hidden + queue.delayed
        if not args.yes:
            session.console.print(
                f"About to delete the {count} messages of {queue.url}, for ever. Export them first if in doubt. Type "
                "the queue's name to go on:",
                markup=False,
            )
            if sys.stdin.readline().strip() != queue.name:
                session.console.print("That is not its name: nothing was deleted")
                return 1
        session.client.purge_queue(QueueUrl=queue.url)
        if find_broker_url(args) is None:
            session.note("SQS takes up to a minute to delete them, and deletes what is sent to the queue meanwhile too")
    if args.json:
        print_json({"queue": queue.name, "purged": count})
    return 0
