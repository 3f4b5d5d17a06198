"""
The names of botocore and urllib3 that are not public, and are first asked for when a request is on its way.

They are looked for when a client is made, so that one that a release has no more costs the short way, and no call. The
others are asked for when a client is made, or while a request is learned from, where a missing one does no harm.
"""

from __future__ import annotations

from typing import Any

from botocore.awsrequest import AWSHTTPConnectionPool
from botocore.history import get_global_history_recorder
from botocore.httpsession import URLLib3Session


def look_for_names(client: Any) -> None:
    """
    Look for the names.

    :param client: a client of boto3
    :raises AttributeError: if one is missing
    """
    emitter = client.meta.events._emitter
    for owner, name in (
        (emitter, "_lookup_cache"),
        (emitter, "_handlers"),
        (get_global_history_recorder(), "_enabled"),
        (AWSHTTPConnectionPool, "_get_conn"),
        (AWSHTTPConnectionPool, "_put_conn"),
        (URLLib3Session, "_get_connection_manager"),
    ):
        getattr(owner, name)
