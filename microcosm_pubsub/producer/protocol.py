"""
The protocol of producers: `SNSProducer`, those that wait for the end of a block, and stand-ins of tests.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from microcosm_pubsub.codecs.content import Payload
from microcosm_pubsub.producer.message import ProduceResult, PubsubMessage


class Producer(Protocol):
    """Takes messages, and publishes them now or later."""

    def produce(
        self,
        media_type: str | Payload,
        dct: Mapping[str, Any] | Payload | None = None,
        uri: str | None = None,
        **kwargs: Any,
    ) -> str | None: ...

    def produce_batch(self, messages: Iterable[PubsubMessage | Mapping[str, Any]]) -> list[ProduceResult]: ...

    def create_message(
        self,
        media_type: str | Payload,
        dct: Mapping[str, Any] | Payload | None = None,
        uri: str | None = None,
        opaque_data: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> PubsubMessage: ...


class BatchingProducer(Producer, Protocol):
    """A producer that knows how much it takes at once."""

    @property
    def deferred_batch_size(self) -> int: ...

    @property
    def topic_size_limit_bytes(self) -> int: ...
