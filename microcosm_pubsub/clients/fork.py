"""
A boto3 client in a forked child: with connections and locks of its own.
"""

from __future__ import annotations

from threading import Lock
from typing import Any

from urllib3 import PoolManager

from microcosm_pubsub.config.fork import keep_inherited
from microcosm_pubsub.fast.transport import forget_connections


def start_client_anew(client: Any) -> None:
    """
    Give a boto3 client new pools of connections, and its credentials a new lock.

    botocore has no public way to do that; where a release of it has other names, its pools are emptied.
    """
    forget_connections(client)
    try:
        session = client._endpoint.http_session
        manager = PoolManager(**session._get_pool_manager_kwargs())
        manager.pool_classes_by_scheme = session._pool_classes_by_scheme
        keep_inherited((session._manager, session._proxy_managers))
        session._manager, session._proxy_managers = manager, {}
    except AttributeError:
        client.close()
    credentials: Any = getattr(getattr(client, "_request_signer", None), "_credentials", None)
    if hasattr(credentials, "_refresh_lock"):
        credentials._refresh_lock = Lock()
