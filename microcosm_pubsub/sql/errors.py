"""
The errors of transactions.
"""

from microcosm_pubsub.errors import PubSubError


class TransactionError(PubSubError):
    """Say that a transaction cannot begin, be used or be committed; the database's error is the cause."""
