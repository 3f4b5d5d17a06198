"""
The changes in a resource's life that messages tell of.
"""

from typing import Any


class LifecycleChange(set[str]):
    """
    The names of the lifecycle changes that a graph knows; a service may `add` its own.

    Bound as `pubsub_lifecycle_change`.
    """

    Changed = "changed"
    Created = "created"
    Deleted = "deleted"

    def __init__(self, graph: Any = None) -> None:
        super().__init__((self.Changed, self.Created, self.Deleted))

    def find(self, media_type: str) -> str | None:
        """Return the lifecycle change that a media type holds, if any."""
        # A change is followed by the name of the resource.
        return next((part for part in media_type.split(".")[:-1] if part in self), None)

    def matches(self, media_type: str) -> bool:
        """Return whether a media type holds a lifecycle change."""
        return self.find(media_type) is not None
