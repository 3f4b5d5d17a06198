"""
Typed content: dataclasses, pydantic models and msgspec Structs in place of dicts.

    @dataclass
    class Order:
        number: int

    @handles("application/vnd.acme.order")
    def ship(order: Order) -> None: ...

A class whose instances a handler asks for is the schema of its media type. Other kinds of schemas are put in by config
`pubsub_content_codecs.factories`.
"""

from __future__ import annotations

from microcosm.api import typed

from microcosm_pubsub.codecs.content import CodecFactory
from microcosm_pubsub.config import values
from microcosm_pubsub.config.graph import defaults, use_parts
from microcosm_pubsub.graph import PubSubGraph
from microcosm_pubsub.payloads.dataclass import make_dataclass_codec
from microcosm_pubsub.payloads.msgspec_struct import make_struct_codec
from microcosm_pubsub.payloads.pydantic_model import make_model_codec


@defaults(factories=typed(values.parts("pubsub_content_codecs.factories"), default_factory=list))
def configure_pubsub_content_codecs(graph: PubSubGraph) -> tuple[CodecFactory, ...]:
    """
    Configure the factories of codecs for classes, bound as `pubsub_content_codecs`; the first that knows a class wins.

    Config `factories` lists more of them, callables or binding names, which come before ours.
    """
    # pydantic's own dataclasses are dataclasses too, but pydantic validates them.
    own = (make_model_codec, make_struct_codec, make_dataclass_codec)
    return (*use_parts(graph, graph.config.pubsub_content_codecs.factories, "pubsub_content_codecs.factories"), *own)
