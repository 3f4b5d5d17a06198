"""
`pubsub db` and `pubsub outbox`: our tables, and what waits in them.
"""
