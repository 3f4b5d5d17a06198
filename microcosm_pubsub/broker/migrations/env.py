"""
Run by Alembic, within the transaction of `upgrade.run_migrations`.
"""

from alembic import context

from microcosm_pubsub.broker.schema import metadata
from microcosm_pubsub.broker.upgrade import VERSION_TABLE


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
)
context.run_migrations()
