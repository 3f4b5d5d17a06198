"""
The daemon whose effects are counted: it books each order, and publishes an invoice for it, which it books too.
"""

from __future__ import annotations

import os

from marshmallow import fields
from sqlalchemy.orm import Session

from microcosm_pubsub import ConsumerDaemon, Producer, PubSubMessageSchema, handles, schema
from tests.chaos.effects_model import INVOICE, ORDER, Booking


ONCE = os.environ.get("EFFECTS_ONCE", "yes") == "yes"


@schema
class EffectsOrderSchema(PubSubMessageSchema):
    MEDIA_TYPE = ORDER

    number = fields.Integer(required=True)


@schema
class EffectsInvoiceSchema(PubSubMessageSchema):
    MEDIA_TYPE = INVOICE

    number = fields.Integer(required=True)


@handles(EffectsOrderSchema, transaction=True, once=ONCE)
def book_order(content, session: Session, producer: Producer):
    session.add(Booking(media_type=ORDER, number=content["number"]))
    producer.produce(INVOICE, number=content["number"])
    return True


@handles(EffectsInvoiceSchema, transaction=True, once=ONCE)
def book_invoice(content, session: Session):
    session.add(Booking(media_type=INVOICE, number=content["number"]))
    return True


class EffectsDaemon(ConsumerDaemon):
    name = "effects"


if __name__ == "__main__":
    EffectsDaemon().run()
