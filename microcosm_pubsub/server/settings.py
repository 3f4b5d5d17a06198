"""
The settings of a server.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address

from microcosm_pubsub.broker.sns.endpoints import LOGGED, WEB
from microcosm_pubsub.errors import ConfigurationError


DEFAULT_PORT = 4566


@dataclass(frozen=True, slots=True)
class Limits:
    """
    The limits on what a client may ask of the server.

    :param connections: at once; one more is told so and closed
    :param header_bytes: of a request, its first line included
    :param body_bytes: of a request; a message of 1 MiB can need six times as much in the forms of SQS and SNS
    :param request_seconds: until a request that has begun must be there, and an answer be taken
    :param idle_seconds: for which a connection stays open between requests
    :param threads: for calls that wait for the database
    """

    connections: int = 4096
    header_bytes: int = 64 * 1024
    body_bytes: int = 8 * 1024 * 1024
    request_seconds: float = 20.0
    idle_seconds: float = 75.0
    threads: int = 32


@dataclass(frozen=True, slots=True)
class Settings:
    """
    The settings of a server.

    :param host: where it listens
    :param port: where it listens; 0 is a free one
    :param access_key: that requests must be signed with; without it, any signature will do
    :param secret_key: that belongs to it
    :param insecure: whether anybody may call a server that other machines reach
    :param allow_http_delivery: whether topics deliver to web servers, of private networks
    """

    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    access_key: str | None = None
    secret_key: str | None = None
    insecure: bool = False
    allow_http_delivery: bool = False
    limits: Limits = Limits()

    @property
    def protocols(self) -> tuple[str, ...]:
        """Return the protocols by which topics deliver, beside that of queues."""
        return (*LOGGED, *WEB) if self.allow_http_delivery else LOGGED

    def check(self) -> None:
        """
        Refuse settings that would let strangers in.

        :raises ConfigurationError: if so
        """
        if self.limits.connections < 1:
            raise ConfigurationError("--max-connections must be at least 1")
        if (self.access_key is None) != (self.secret_key is None):
            raise ConfigurationError("--access-key and --secret-key belong together: give both, or neither")
        if self.access_key is None and not self.insecure and not is_loopback(self.host):
            raise ConfigurationError(
                f"Other machines reach {self.host}: give --access-key and --secret-key, which their requests must then "
                "be signed with, or --insecure to let everybody in"
            )


def is_loopback(host: str) -> bool:
    """Return whether only this machine reaches a host."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
