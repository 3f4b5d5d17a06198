"""
A daemon whose messages say what their handling is to do.
"""

import asyncio
import os
import sys
import time
from random import Random

from marshmallow import fields

from microcosm_pubsub.codecs import PubSubMessageSchema
from microcosm_pubsub.daemon import ConsumerDaemon
from microcosm_pubsub.decorators import handles, schema


RANDOM = Random(int(os.environ.get("SEED", "0")))
FAILURES = float(os.environ.get("FAILURES", "0"))


def say(text):
    # in one piece, since several threads and processes may write to one pipe
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


@schema
class TaskSchema(PubSubMessageSchema):
    MEDIA_TYPE = "application/vnd.acceptance.task"

    number = fields.Integer(required=True)
    group = fields.String()
    seconds = fields.Float()
    does = fields.String()


class AsyncTaskSchema(TaskSchema):
    MEDIA_TYPE = "application/vnd.acceptance.async_task"


class LimitedTaskSchema(TaskSchema):
    MEDIA_TYPE = "application/vnd.acceptance.limited_task"


class BatchTaskSchema(TaskSchema):
    MEDIA_TYPE = "application/vnd.acceptance.batch_task"


@handles(TaskSchema)
def handle_task(content):
    say(f"handling {content['number']}")
    time.sleep(content.get("seconds", 0))
    does = content.get("does")
    if does == "exit":
        sys.exit("a handler exits")
    if does == "die":
        os._exit(9)
    if does == "interrupt":
        raise KeyboardInterrupt
    if RANDOM.random() < FAILURES:
        raise RuntimeError("a random failure")
    say(f"handled {content['number']} of {content.get('group')}")
    return True


@handles(AsyncTaskSchema)
async def handle_async_task(content):
    say(f"handling {content['number']}")
    await asyncio.sleep(content.get("seconds", 0))
    if content.get("does") == "stop the loop":
        asyncio.get_running_loop().stop()
    if content.get("does") == "exit":
        sys.exit("a handler exits")
    say(f"handled {content['number']} of {content.get('group')}")
    return True


@handles(LimitedTaskSchema, timeout_seconds=0.5)
def handle_limited_task(content):
    return handle_task(content)


@handles(BatchTaskSchema, batch_size=50, batch_window_seconds=0.5)
def handle_batch_task(contents):
    say(f"batch of {len(contents)}")
    for content in contents:
        say(f"handled {content['number']} of {content.get('group')}")
    return [content.get("does") != "skip" for content in contents]


class WorkshopDaemon(ConsumerDaemon):
    name = "workshop"
    workers = 4


if __name__ == "__main__":
    say(f"process {os.getpid()}")
    WorkshopDaemon().run()
