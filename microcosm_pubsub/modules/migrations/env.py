"""
Run by Alembic, within the transaction of `modules.history`.
"""

from alembic import context


given = context.config.attributes
context.configure(
    connection=given["connection"],
    target_metadata=given["metadata"],
    include_object=given["include_object"],
    process_revision_directives=given["process_revision_directives"],
    compare_server_default=False,
    compare_type=True,
    # SQLite changes a column by copying its table: https://alembic.sqlalchemy.org/en/latest/batch.html
    render_as_batch=given["connection"] is not None and given["connection"].dialect.name == "sqlite",
)
context.run_migrations()
