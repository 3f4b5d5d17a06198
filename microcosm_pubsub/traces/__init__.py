"""
Traces: a message's way through services, as spans of OpenTelemetry.

`publishing` has a span for each message that is published, whose context goes with it; `consuming` one for each
receive, and one for each call of a handler, with that context as its parent and its link. `carried` says where a
context stands in a message, `tracer` the decision which spans there are, and `names` what they are called. Off unless
`pubsub_traces.enabled`; OpenTelemetry's API is imported here alone, and only then.
"""

from microcosm_pubsub.traces.factory import Traces, configure_pubsub_traces


__all__ = ["Traces", "configure_pubsub_traces"]
