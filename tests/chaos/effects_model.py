"""
What the daemon whose effects are counted writes; apart from it, since its handlers count for the process they are in.
"""

from __future__ import annotations

from sqlalchemy.orm import Mapped, mapped_column

from microcosm_pubsub.sql import Base


ORDER = "application/vnd.effects.order"
INVOICE = "application/vnd.effects.invoice"


class Booking(Base):
    """What a handler has done: nothing keeps it from being there twice."""

    __tablename__ = "bookings"

    id: Mapped[int] = mapped_column(primary_key=True)
    media_type: Mapped[str]
    number: Mapped[int]
