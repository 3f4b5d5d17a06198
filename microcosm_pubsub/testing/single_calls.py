"""
Batch calls of a recorded client, each made as a call for each entry.

Version 3 made single calls alone, and tests of services look at those, as at `publish.call_args`, or set
`publish.side_effect`, so that publishing fails.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError

from microcosm_pubsub.constants import MAX_BATCH_ENTRIES


#: By batch method: the method for one entry, the key of the entries, and that of what all entries share.
BATCH_METHODS = {
    "publish_batch": ("publish", "PublishBatchRequestEntries", "TopicArn"),
    "delete_message_batch": ("delete_message", "Entries", "QueueUrl"),
    "change_message_visibility_batch": ("change_message_visibility", "Entries", "QueueUrl"),
}


class SingleCalls:
    """
    Make the single calls that a batch call stands for.

    :param recorded: takes the single calls
    :param client: refuses batch calls that it would refuse
    :param method: the batch method
    """

    def __init__(self, recorded: Any, client: Any, method: str) -> None:
        self.recorded = recorded
        self.client = client
        self.method = method
        self.single, self.entries_key, self.shared_key = BATCH_METHODS[method]
        #: The entries of calls that were made one by one, by their identity, which lasts as long as they are kept.
        self._made: dict[int, Any] = {}

    def __call__(self, **kwargs: Any) -> Any:
        """
        Return the answer of a batch call, whose entries are called for one by one.

        :raises ClientError: if the batch itself is refused
        """
        entries = kwargs[self.entries_key]
        ids = {entry["Id"] for entry in entries}
        if not 0 < len(entries) <= MAX_BATCH_ENTRIES or len(ids) < len(entries):
            return getattr(self.client, self.method)(**kwargs)
        self._made[id(entries)] = entries
        answer: dict[str, list[dict[str, Any]]] = {"Successful": [], "Failed": []}
        for entry in entries:
            call = {key: value for key, value in entry.items() if key != "Id"}
            try:
                found = getattr(self.recorded, self.single)(**{self.shared_key: kwargs[self.shared_key]}, **call)
            except ClientError as error:
                answer["Failed"].append({"Id": entry["Id"], **read_fault(error)})
            else:
                answer["Successful"].append({**(found if isinstance(found, Mapping) else {}), "Id": entry["Id"]})
        return answer

    def has_made(self, **kwargs: Any) -> bool:
        """Return whether it made the single calls of a batch call."""
        return id(kwargs.get(self.entries_key)) in self._made


def read_fault(error: ClientError) -> dict[str, Any]:
    """Return an error as a batch answer tells it."""
    fault = error.response.get("Error", {})
    return {"Code": fault.get("Code", "Unknown"), "Message": fault.get("Message", ""), "SenderFault": True}
