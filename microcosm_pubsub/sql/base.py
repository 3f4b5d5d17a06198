"""
A base for the models of users that have none of their own.
"""

from __future__ import annotations

from typing import Any, cast

from sqlalchemy import MetaData, inspect
from sqlalchemy.orm import DeclarativeBase, InstanceState


#: Constraints have names that can be told, without which no migration can change them.
#: https://alembic.sqlalchemy.org/en/latest/naming.html
NAMING_CONVENTION = {
    "pk": "pk_%(table_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "ix": "ix_%(column_0_N_label)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
}

#: The most characters of a value that are shown.
MAX_VALUE_LENGTH = 100


class Base(DeclarativeBase):
    """
    Base of models: each shows its columns when it is printed.

        class Order(Base):
            __tablename__ = "orders"
            id: Mapped[int] = mapped_column(primary_key=True)
            uri: Mapped[str]
    """

    metadata = MetaData(naming_convention=NAMING_CONVENTION)

    def __repr__(self) -> str:
        state = cast("InstanceState[Any]", inspect(self))
        # Columns that are not loaded are not fetched to be shown: there may be no session any more.
        loaded = state.dict
        columns = (attribute.key for attribute in state.mapper.column_attrs)
        shown = ", ".join(f"{key}={_shorten(loaded[key])}" for key in columns if key in loaded)
        return f"{type(self).__name__}({shown})"


def _shorten(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= MAX_VALUE_LENGTH else f"{text[:MAX_VALUE_LENGTH]}..."
