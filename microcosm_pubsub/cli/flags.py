"""
Flags that several commands share.
"""

from argparse import ArgumentParser


def add_client_flags(parser: ArgumentParser) -> None:
    """Add the flags of commands that call AWS."""
    parser.add_argument("--profile", metavar="P", help="a profile of ~/.aws/config")
    parser.add_argument("--region", metavar="R")
    parser.add_argument("--endpoint-url", metavar="E", help="an engine other than AWS")
    parser.add_argument("--debug", action="store_true", help="log what is called")
