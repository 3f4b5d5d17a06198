"""
The parts of the short way: one that signs, and one that writes and reads JSON.

`auto` takes the cheapest parts that are installed. Measured, botocore's own signature with a kept key costs less than
awscrt's, and a socket much less than awscrt's HTTP client, see docs/explanation/transport.md; so awscrt signs where
`crt` asks for it, and nowhere else.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from logging import getLogger
from typing import TYPE_CHECKING, Any

from microcosm_pubsub.errors import ConfigurationError


if TYPE_CHECKING:
    from microcosm_pubsub.fast.transport.signature import Signer

logger = getLogger(__name__)

#: The values of `sqs_client.transport` and `sns_client.transport`.
TRANSPORTS = ("auto", "crt", "botocore")


@dataclass(frozen=True, slots=True)
class TransportParts:
    """The functions that sign a request, and that write and read JSON."""

    signer: type[Signer]
    dump_json: Callable[[Any], bytes]
    load_json: Callable[[bytes], Any]
    name: str


def dump_json(value: Any) -> bytes:
    return json.dumps(value).encode()


def load_json(content: bytes) -> Any:
    return json.loads(content.decode())


def make_parts(*, crt: bool = False, orjson: bool = False) -> TransportParts:
    """
    Put parts together.

    :param crt: whether awscrt signs, else botocore
    :param orjson: whether orjson writes and reads JSON, else the standard library
    :raises ConfigurationError: if one of them is not installed
    """
    # This imports a name of botocore that a release may lack.
    from microcosm_pubsub.fast.transport.signature import DerivedKeySigner

    signer: type[Signer] = DerivedKeySigner
    names = ["crt" if crt else "socket"]
    if crt:
        if not is_installed("awscrt"):
            raise ConfigurationError(
                "The transport crt needs awscrt, which is not installed: install microcosm-pubsub[fast], "
                "or choose auto or botocore"
            )
        from microcosm_pubsub.fast.transport.crt import CrtSigner

        signer = CrtSigner
    dump: Callable[[Any], bytes] = dump_json
    load: Callable[[bytes], Any] = load_json
    if orjson:
        if not is_installed("orjson"):
            raise ConfigurationError("orjson is not installed: install microcosm-pubsub[fast]")
        from orjson import dumps, loads

        dump, load = dumps, loads
        names.append("orjson")
    return TransportParts(signer=signer, dump_json=dump, load_json=load, name="+".join(names))


def choose_parts(transport: str) -> TransportParts | None:
    """
    Return the parts of a transport, or None for plain boto3.

    :param transport: one of `TRANSPORTS`
    :raises ConfigurationError: if there is no such transport, or it is not installed
    """
    if transport not in TRANSPORTS:
        raise ConfigurationError(f"No transport {transport}: choose one of {', '.join(TRANSPORTS)}")
    if transport == "botocore":
        return None
    try:
        return make_parts(crt=transport == "crt", orjson=is_installed("orjson"))
    except ImportError as error:
        logger.info("All calls are made by boto3, of a release that is not known here: %r", error)
        return None


def is_installed(name: str) -> bool:
    return find_spec(name) is not None
