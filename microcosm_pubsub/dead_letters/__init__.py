"""
Messages that could not be handled: how they get into a dead-letter queue with their reason, and out of it again.

    reason, queue, sender      in: why, whereto, and by which calls
    scan, letter, filters      look: receive each message once, decode it, choose
    redrive, native, transfer  out: back to where they came from, or into a file

A message that is moved is sent first and deleted after, so that an interruption may double a message, and loses none.
"""

from microcosm_pubsub.dead_letters.queue import DeadLetterQueue
from microcosm_pubsub.dead_letters.reason import Reason
from microcosm_pubsub.dead_letters.sender import DeadLetterSender


__all__ = ["DeadLetterQueue", "DeadLetterSender", "Reason"]
