"""
Changes to texts on their way: compressed, encrypted or put elsewhere by the producer, and undone here.

The list is in the order of publishing, and undone in the other. A transform marks what it did by a message attribute,
and leaves alone what does not have its mark, so that messages of producers without it are read too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from microcosm.api import typed

from microcosm_pubsub.config import values
from microcosm_pubsub.config.graph import defaults, use_parts
from microcosm_pubsub.errors import ConfigurationError, DecodeError
from microcosm_pubsub.graph import PubSubGraph


class BodyTransform(Protocol):
    """
    Change the text of a message when it is published, and change it back when it is received.

    `encode` is a publish step: it takes a `PubsubMessage` whose `message` is its text, and marks what it did in its
    `message_attributes`. `decode` takes a received text and the message's attributes, as texts, and returns the text as
    it was before; the text as it is, if the attributes do not say that it was encoded.
    """

    def encode(self, message: Any) -> None: ...

    def decode(self, body: str, attributes: Mapping[str, str]) -> str: ...


def decode_body(transforms: Sequence[BodyTransform], body: Any, attributes: Any) -> Any:
    """
    Return a body as it was before transforms changed it.

    :param attributes: message attributes, as SQS or SNS writes them
    :raises DecodeError: if a transform cannot
    """
    if not isinstance(body, str):
        return body
    texts = to_texts(attributes)
    for transform in reversed(transforms):
        # A transform is user code that reads bytes of others: whatever it raises concerns this message alone.
        try:
            body = transform.decode(body, texts)
        except Exception as error:
            name = getattr(transform, "__qualname__", None) or type(transform).__qualname__
            raise DecodeError(f"The body cannot be decoded by {name}: {type(error).__name__}") from error
    return body


def to_texts(attributes: Any) -> dict[str, str]:
    """Return message attributes as texts; SNS writes Value, SQS writes StringValue."""
    if not isinstance(attributes, Mapping):
        return {}
    return {
        str(name): str(attribute.get("StringValue", attribute.get("Value")))
        for name, attribute in attributes.items()
        if isinstance(attribute, Mapping)
    }


@defaults(names=typed(values.names("pubsub_body_transforms.names"), default_factory=list))
def configure_pubsub_body_transforms(graph: PubSubGraph) -> tuple[BodyTransform, ...]:
    """
    Configure the transforms of the texts of messages on their way, bound as `pubsub_body_transforms`.

    Config `names` lists bindings, in the order of publishing.

    :raises ConfigurationError: if one is no transform
    """
    names = graph.config.pubsub_body_transforms.names
    transforms = use_parts(graph, names, "pubsub_body_transforms.names")
    for name, transform in zip(names, transforms, strict=True):
        if not all(callable(getattr(transform, method, None)) for method in ("encode", "decode")):
            raise ConfigurationError(f"Component {name} is no body transform: it needs encode and decode")
    return transforms
