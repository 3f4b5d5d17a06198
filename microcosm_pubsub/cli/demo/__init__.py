"""
A demonstration on this machine alone: a broker's file, a daemon, and 500 messages, all accounted for.
"""
