"""
The errors of chains.

    ChainError                     a chain that cannot go on
     ├── ContextKeyNotFound        a link needs a key that the context does not hold
     └── AttributeNotFound         a path leads to an attribute that is not there
"""

from microcosm_pubsub.errors import PubSubError


class ChainError(PubSubError):
    """Raised when a chain cannot go on, with the reason."""


class ContextKeyNotFound(ChainError):
    """
    Raised when a link needs a key that the context does not hold.

    :param link: the name of the link
    :param key: the missing key
    """

    def __init__(self, link: str, key: str) -> None:
        super().__init__(link, key)
        self.link = link
        self.key = key

    def __str__(self) -> str:
        return (
            f"Link {self.link} needs {self.key!r}, which the context does not hold: "
            "give it to the chain, extract it in an earlier link, or give the parameter a default"
        )


class AttributeNotFound(ChainError):
    """
    Raised when a path leads to an attribute, or a key, that is not there.

    :param reached: the path up to there
    :param name: the missing part of it
    :param owner: the name of the type that has no such attribute
    """

    def __init__(self, reached: str, name: str, owner: str) -> None:
        super().__init__(reached, name, owner)
        self.reached = reached
        self.name = name
        self.owner = owner

    def __str__(self) -> str:
        return (
            f"Failed to find attribute `{self.name}` on `{self.reached}`, which is of type {self.owner}: "
            "look at the path, and at what the link that gave it returns"
        )
