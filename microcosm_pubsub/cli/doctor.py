"""
`pubsub doctor`: what is wrong with a daemon's set-up, and what to do.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections import Counter

from rich.markup import escape

from microcosm_pubsub.cli.dlq.session import print_json
from microcosm_pubsub.cli.flags import add_client_flags
from microcosm_pubsub.cli.provision import make_overrides
from microcosm_pubsub.cli.run import DAEMON, find_daemon
from microcosm_pubsub.cli.table import make_table, print_table
from microcosm_pubsub.doctor.examination import examine


STYLES = {"ok": "green", "warning": "yellow", "error": "bold red"}
NAMES = {"ok": "OK", "warning": "warning", "error": "error"}


def add_flags(parser: ArgumentParser) -> None:
    """Add the flags of the command."""
    parser.add_argument("daemon", metavar=DAEMON)
    parser.add_argument("--strict", action="store_true", help="exit 1 for a warning too")
    parser.add_argument("--json", action="store_true", help="print the result for a machine")
    add_client_flags(parser)
    parser.set_defaults(call=main)


def main(args: Namespace) -> int:
    """Print the findings, and return 1 if anything is wrong."""
    findings = list(examine(find_daemon(args), make_overrides(args)))
    counts = Counter(finding.level for finding in findings)
    if args.json:
        print_json({"counts": dict(counts), "findings": [finding.to_dict() for finding in findings]})
    else:
        table = make_table("check", "", "what was found", "what to do")
        for each in findings:
            level = f"[{STYLES[each.level]}]{NAMES[each.level]}[/]"
            table.add_row(each.check, level, escape(each.text), escape(each.advice))
        print_table(table)
        print(f"{counts['ok']} OK, warnings: {counts['warning']}, errors: {counts['error']}")
    return int(counts["error"] > 0 or (args.strict and counts["warning"] > 0))
