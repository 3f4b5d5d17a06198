"""
Run by Alembic, within the transaction of `sql.history`.
"""

from alembic import context


given = context.config.attributes
context.configure(
    connection=given["connection"],
    target_metadata=given["metadata"],
    version_table=given["version_table"],
    version_table_schema=given["schema"],
)
context.run_migrations()
