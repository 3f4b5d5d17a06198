"""
The one thing that can go wrong on the short way: something is not as usual, and botocore has to do the call.
"""

from __future__ import annotations


class FallBack(Exception):
    """A call, or its answer, is not among those that the short way knows."""
