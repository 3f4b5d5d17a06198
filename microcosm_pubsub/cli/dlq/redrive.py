"""
`pubsub dlq redrive`: send messages back to where they came from.

All of them are moved by SQS itself, if it can, and if none of them went round too often: one look at the messages
tells that. Otherwise they are sent back one by one.
"""

from __future__ import annotations

from argparse import Namespace
from collections import Counter
from typing import Any

from rich.markup import escape
from rich.progress import Progress

from microcosm_pubsub.cli.dlq.flags import make_filter
from microcosm_pubsub.cli.dlq.session import Session, make_reader, open_session, print_json
from microcosm_pubsub.cli.table import make_table, print_table
from microcosm_pubsub.clients import CLIENT_ERRORS, error_code
from microcosm_pubsub.dead_letters.filters import UNKNOWN, Filter
from microcosm_pubsub.dead_letters.letter import read_outside
from microcosm_pubsub.dead_letters.native import MAX_RATE, MoveTask
from microcosm_pubsub.dead_letters.rate import TokenBucket
from microcosm_pubsub.dead_letters.redrive import Redrive
from microcosm_pubsub.dead_letters.sources import QueueInfo, Targets, describe_queue, name_of
from microcosm_pubsub.errors import ConfigurationError


#: At most this many failures are told one by one.
MAX_FAILURES = 10


def redrive(args: Namespace) -> int:
    """Send messages back."""
    with open_session(args) as session:
        queue = session.find_queue_to_receive_from()
        to = session.resolve(args.to) if args.to else None
        if to is not None and name_of(to) == queue.name:
            raise ConfigurationError(f"--to names {queue.name} itself, which is where the messages are")
        targets = Targets(session.client, queue, to)
        wanted = make_filter(args)
        result = None
        if wanted.is_empty and args.max is None and not args.dry_run and not args.copy:
            result = move_all(session, queue, targets)
        if result is None and not session.interrupts.is_set:
            result = send_back(session, queue, targets, wanted)
        interrupts = session.interrupts
    if result is not None:
        print_result(args, session, result)
    if interrupts.is_set:
        return interrupts.exit_code
    return 0 if result is not None and result["complete"] else 1


def move_all(session: Session, queue: QueueInfo, targets: Targets) -> dict[str, Any] | None:
    """Let SQS move all messages, and return the numbers of those moved; None if they must be sent one by one."""
    rate = session.args.rate
    if rate is not None and (rate != int(rate) or rate > MAX_RATE):
        return None
    if running := MoveTask.find_running(session.client, queue.arn):
        session.note(f"A task moves the messages of {queue.name} already; this follows it, and starts no other")
        return follow(session, queue, running, "the queue that was chosen for it")
    url = find_only_target(session, queue, targets)
    if url is None or session.interrupts.is_set:
        return None
    target_arn = describe_queue(session.client, url).arn
    task = MoveTask.start(session.client, queue.arn, target_arn, None if rate is None else int(rate))
    if task is None:
        session.note("No move task can be started here: the messages are sent back one by one")
        return None
    return follow(session, queue, task, url)


def find_only_target(session: Session, queue: QueueInfo, targets: Targets) -> str | None:
    """Return the URL of the queue to which all messages may go; None if they must be sent one by one."""
    if session.args.force:
        return targets.find_default()
    with session.scan(queue) as scan:
        survey = Redrive(
            scan,
            targets,
            read=read_outside,
            choose=lambda letter: True,
            pause=session.interrupts.pause,
            max_redrives=session.args.max_redrives,
            dry_run=True,
        )
        survey.run()
        urls = {url for _, url in survey.planned}
    session.note_unreleased(scan)
    # Messages that could not be seen may have gone round too often.
    has_seen_all = scan.expected is not None and scan.seen >= scan.expected + scan.hidden
    return urls.pop() if len(urls) == 1 and not survey.tally.kept and has_seen_all else None


def follow(session: Session, queue: QueueInfo, task: MoveTask, target: str) -> dict[str, Any]:
    """Show the progress of a task until it has ended, and return the numbers of messages."""
    moved, failures = 0, []
    try:
        with make_progress(session) as bar:
            line = bar.add_task("Moving", total=None)
            for progress in task.follow(session.interrupts.pause):
                moved = progress.moved
                bar.update(line, completed=moved, total=max(moved, progress.total))
                if progress.status == "FAILED":
                    failures.append(f"The task failed: {progress.failure or 'SQS does not say why'}")
        if session.interrupts.is_set:
            task.cancel()
            session.note("The task is cancelled" if task.handle else "The task goes on: somebody else has started it")
    except CLIENT_ERRORS as error:
        session.note(f"The task goes on without being watched: {error_code(error)}")
    return {"by": "move task", "sent": {target: moved}, "kept": {}, "failures": failures, "complete": not failures}


def send_back(session: Session, queue: QueueInfo, targets: Targets, wanted: Filter) -> dict[str, Any]:
    """Send messages back one by one, and return their numbers."""
    args = session.args
    look_inside = not wanted.is_empty or args.dry_run
    with session.scan(queue) as scan, make_progress(session) as bar:
        line = bar.add_task("Looking" if args.dry_run else "Sending back", total=scan.expected)
        work = Redrive(
            scan,
            targets,
            read=make_reader(args) if look_inside else read_outside,
            choose=wanted,
            pause=session.interrupts.pause,
            max_redrives=None if args.force else args.max_redrives,
            max_messages=args.max,
            bucket=TokenBucket(args.rate),
            dry_run=args.dry_run,
        )
        tally = work.run(lambda seen: bar.update(line, completed=seen))
    session.note_scan(scan, queue)
    session.note_unreleased(scan)
    result = {"by": "copying", **tally.to_dict(), "complete": work.is_complete}
    if args.dry_run:
        result["sent"] = dict(Counter(url for _, url in work.planned))
        result["groups"] = [
            {"queue": url, "media_type": media_type, "error": error, "count": count}
            for (url, media_type, error), count in Counter(
                (url, letter.media_type, letter.error) for letter, url in work.planned
            ).items()
        ]
    return result


def make_progress(session: Session) -> Progress:
    """Return progress bars, which nobody sees where there is no terminal."""
    return Progress(console=session.console, disable=not session.console.is_terminal, transient=True)


def print_result(args: Namespace, session: Session, result: dict[str, Any]) -> None:
    """Print the numbers of messages."""
    for failure in result["failures"][:MAX_FAILURES]:
        session.console.print(failure, markup=False)
    if result["failures"][MAX_FAILURES:]:
        session.note(f"... and {len(result['failures']) - MAX_FAILURES} failures more")
    if args.json:
        print_json({"dry_run": args.dry_run, **result})
        return
    table = make_table("count", "would be" if args.dry_run else "is", numbers=["count"])
    for group in result.get("groups", ()):
        told = f"{group['media_type'] or UNKNOWN}, {group['error'] or UNKNOWN}"
        table.add_row(str(group["count"]), escape(f"sent to {name_of(group['queue'])}: {told}"))
    for url, count in result["sent"].items() if "groups" not in result else ():
        table.add_row(str(count), escape(f"sent to {name_of(url)}"))
    for why, count in result["kept"].items():
        table.add_row(str(count), escape(f"kept: {why}"))
    print_table(table)
