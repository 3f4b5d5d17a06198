"""
SNS and SQS over HTTP, on the embedded broker.

This folder alone knows HTTP. A request goes from `connection` (limits) and `application` (the ASGI app) through
`protocols` (parameters and answers, by botocore's service models), `signature` and `calls` (the broker, and waiting
without threads). `serving` runs it, as `pubsub serve` and as `with serve() as url`.
"""

from microcosm_pubsub.server.serving import serve


__all__ = ["serve"]
