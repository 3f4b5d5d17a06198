"""
A daemon to start, stop and break: a schema, a plain function, and a class with a name.
"""

import os
import sys
import time
from signal import SIGKILL

from marshmallow import fields

from microcosm_pubsub.codecs import PubSubMessageSchema
from microcosm_pubsub.daemon import ConsumerDaemon
from microcosm_pubsub.decorators import handles, schema


@schema
class ParcelSchema(PubSubMessageSchema):
    MEDIA_TYPE = "application/vnd.acceptance.parcel"

    number = fields.Integer(required=True)


@handles(ParcelSchema)
def handle_parcel(content):
    # in one piece, since several processes may write to one pipe
    sys.stdout.write(f"handling {content['number']}\n")
    sys.stdout.flush()
    if content["number"] < 0:
        os.kill(os.getpid(), SIGKILL)
    # some work, so that a signal comes in the middle of a batch
    time.sleep(0.02)
    return True


class ParcelsDaemon(ConsumerDaemon):
    name = "parcels"


if __name__ == "__main__":
    ParcelsDaemon().run()
