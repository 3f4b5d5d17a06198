"""
What typed content costs: from a message's text to what its handler is given.

    python -m benchmarks.bench_payloads [--rounds N] [--json]

Each kind of class reads the same text, of five fields: as an envelope does, which must know the media type first; by
its codec alone; and by its library without us. Rounds of all subjects take turns, and the best of each counts.
"""

from __future__ import annotations

import platform
from argparse import ArgumentParser
from collections.abc import Callable
from dataclasses import dataclass
from json import dumps, loads
from os import cpu_count
from time import process_time
from typing import Any

import msgspec
import pydantic
from marshmallow import EXCLUDE, fields
from rich.console import Console
from rich.table import Table

from microcosm_pubsub.codecs import PubSubMessageCodec, PubSubMessageSchema
from microcosm_pubsub.envelope.json_text import load_json
from microcosm_pubsub.payloads.dataclass import DataclassCodec
from microcosm_pubsub.payloads.msgspec_struct import StructCodec
from microcosm_pubsub.payloads.pydantic_model import ModelCodec


CALLS = 5000

MEDIA_TYPE = "application/vnd.bench.order"

TEXT = dumps(
    {
        "mediaType": MEDIA_TYPE,
        "opaqueData": {"x-request-id": "7c5f6a", "x-request-ttl": "32", "x-request-published": "1767225600.0"},
        "number": 1,
        "customer": "customer-1",
        "article": "article-1",
        "count": 5,
        "note": "a note of some length, as notes are",
    }
)


class OrderSchema(PubSubMessageSchema):
    """The marshmallow schema of the order."""

    MEDIA_TYPE = MEDIA_TYPE

    number = fields.Integer(required=True)
    customer = fields.String(required=True)
    article = fields.String(required=True)
    count = fields.Integer(required=True)
    note = fields.String(required=True)


@dataclass
class Order:
    """The same as a dataclass."""

    number: int
    customer: str
    article: str
    count: int
    note: str


class OrderModel(pydantic.BaseModel):
    """The same as a pydantic model."""

    number: int
    customer: str
    article: str
    count: int
    note: str


class OrderStruct(msgspec.Struct):
    """The same as a msgspec Struct."""

    number: int
    customer: str
    article: str
    count: int
    note: str


@dataclass(frozen=True, slots=True)
class Subject:
    """A kind of content: its codec, and what reads the text by its library alone, if that can."""

    codec: Any
    alone: Callable[[], Any] | None

    def read_as_envelope(self) -> Any:
        """Read the text as an envelope does, which must know its media type first."""
        return self.codec.decode(load_json(TEXT, "body"))

    def read_text(self) -> Any:
        """Read the text by the codec alone."""
        return self.codec.decode(TEXT)


def make_subjects() -> dict[str, Subject]:
    """Return the kinds of content."""
    schema = OrderSchema()
    codecs: dict[str, Any] = {
        "marshmallow schema": PubSubMessageCodec(schema),
        "dataclass": DataclassCodec(Order, MEDIA_TYPE),
        "pydantic model": ModelCodec(OrderModel, MEDIA_TYPE),
        "msgspec Struct": StructCodec(OrderStruct, MEDIA_TYPE),
    }
    decoder = msgspec.json.Decoder(OrderStruct)
    alone: dict[str, Callable[[], Any]] = {
        "marshmallow schema": lambda: schema.load(loads(TEXT), unknown=EXCLUDE),
        "pydantic model": lambda: OrderModel.model_validate_json(TEXT),
        "msgspec Struct": lambda: decoder.decode(TEXT),
    }

    return {name: Subject(codec, alone.get(name)) for name, codec in codecs.items()}


def measure(calls: dict[str, Callable[[], Any]], rounds: int) -> dict[str, float]:
    """Return the processor time of one call of each, in microseconds."""
    best: dict[str, float] = {}
    for _ in range(rounds):
        for name, call in calls.items():
            start = process_time()
            for _ in range(CALLS):
                call()
            best[name] = min(best.get(name, float("inf")), process_time() - start)
    return {name: seconds / CALLS * 1e6 for name, seconds in best.items()}


def main() -> None:
    """Measure, and print a table."""
    parser = ArgumentParser(description="Measure what typed content costs")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    machine = {"python": platform.python_version(), "machine": platform.platform(), "cores": cpu_count()}
    subjects = make_subjects()
    calls: dict[str, Callable[[], Any]] = {}
    for name, subject in subjects.items():
        calls[name] = subject.read_as_envelope
        calls[f"{name}, text"] = subject.read_text
        if subject.alone is not None:
            calls[f"{name}, alone"] = subject.alone
    figures = measure(calls, args.rounds)
    rows = [make_row(name, figures, "marshmallow schema") for name in subjects]
    if args.json:
        print(dumps({"machine": machine, "payloads": rows}))
        return
    table = Table(title=", ".join(f"{key} {value}" for key, value in machine.items()))
    for column in rows[0]:
        table.add_column(column, justify="left" if column == "content" else "right")
    for row in rows:
        table.add_row(*(f"{value:.2f}" if isinstance(value, float) else str(value or "") for value in row.values()))
    Console().print(table)


def make_row(name: str, figures: dict[str, float], plain: str) -> dict[str, Any]:
    """Return the figures of a kind of content, in microseconds, and as ratios."""
    alone = figures.get(f"{name}, alone")
    return {
        "content": name,
        "envelope, us": figures[name],
        "to marshmallow": figures[name] / figures[plain],
        "codec, us": figures[f"{name}, text"],
        "library, us": alone,
        "codec to library": figures[f"{name}, text"] / alone if alone is not None else None,
    }


if __name__ == "__main__":
    main()
