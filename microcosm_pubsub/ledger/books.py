"""
The books of a ledger: its rows, its cursors, and what stands there when.
"""

from __future__ import annotations

from microcosm_pubsub.ledger.store import TaskStore
from microcosm_pubsub.ledger.terms import Terms
from microcosm_pubsub.ledger.turns import Turns
from microcosm_pubsub.sql.database import Database


class Books:
    """
    The stores that all parts of the ledger write in.

    :param database: has the tables
    :param terms: the values of the rows
    """

    def __init__(self, database: Database, terms: Terms) -> None:
        self.database = database
        self.terms = terms
        self.store = TaskStore(database)
        self.turns = Turns(database)
