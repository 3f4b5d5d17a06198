"""
The credentials of a client, as long as botocore need not do anything about them.
"""

from __future__ import annotations

from typing import Any

from botocore.context import get_context
from botocore.credentials import Credentials

from microcosm_pubsub.fast.transport.errors import FallBack


def find_credentials(client: Any) -> Any:
    """Return the client's credentials, frozen, unless botocore has to fetch them first."""
    credentials = client._request_signer._credentials
    if not isinstance(credentials, Credentials):
        raise FallBack("there are no credentials of a kind that is known")
    if type(credentials) is not Credentials and credentials.refresh_needed():
        raise FallBack("the credentials have to be refreshed")
    context = get_context()
    if context is not None and context.features:
        raise FallBack("the user agent tells of features")
    return credentials.get_frozen_credentials()
