"""
A demonstration on this machine alone: an engine, a daemon, and 500 messages, all accounted for.
"""
