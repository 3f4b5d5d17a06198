"""
`pubsub dlq`: look into a dead-letter queue, and empty it.
"""
