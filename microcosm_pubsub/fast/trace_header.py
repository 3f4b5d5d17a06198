"""
X-Ray's header of the calls that are made here.

SNS gives what it says to those whom it sends the message: SQS as the message's `AWSTraceHeader`.
https://docs.aws.amazon.com/sns/latest/dg/sns-active-tracing.html
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any, Final


NAME: Final = "X-Amzn-Trace-Id"

#: The header that calls of this thread, or of this coroutine, carry at the moment; None is no header.
TRACE_HEADER: ContextVar[str | None] = ContextVar("trace_header", default=None)


def add_trace_header(params: dict[str, Any], **_: Any) -> None:
    """Add the header to a request of boto3's (a handler of `before-call`), unless it has one."""
    header = TRACE_HEADER.get()
    if header is not None:
        params["headers"].setdefault(NAME, header)
