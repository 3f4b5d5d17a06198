"""
The HTTP server that an orchestrator asks: is the daemon healthy, is it ready, and whatever else a route answers.

    GET  /api/health      200 while all is well, 503 otherwise; JSON that says why
    GET  /api/ready       200 while messages are being received, 503 otherwise
"""

from microcosm_pubsub.health.answer import Answer, Report, Route, report_routes
from microcosm_pubsub.health.server import HealthServer


__all__ = ["Answer", "HealthServer", "Report", "Route", "report_routes"]
