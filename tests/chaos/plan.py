"""
The messages of a run, by seed: what each is like, and what must become of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from json import dumps
from random import Random


MEDIA_TYPE = "application/vnd.chaos.order"
UNKNOWN_MEDIA_TYPE = "application/vnd.chaos.unknown"

#: The names of the two queues, each known in ids by one letter.
QUEUES = {"s": "chaos", "f": "chaos.fifo"}
DEAD_LETTERS = {"s": "chaos-dead-letters", "f": "chaos-dead-letters.fifo"}

#: What messages are like, and how many of a thousand.
KINDS = {
    "fine": 740,
    # raise, or ask for another attempt, a few times; then succeed
    "flaky": 80,
    "nack": 40,
    "skip": 30,
    # longer than a visibility timeout, with faults; seldom, as it holds a slot
    "slow": 2,
    # an error that the policy gives up on; one that uses the attempts up
    "hopeless": 30,
    "failing": 8,
    # what no handler ever sees
    "malformed": 30,
    "invalid": 25,
    "unknown": 15,
}

#: Those that can end in the dead-letter queue alone.
DOOMED = frozenset({"hopeless", "failing", "malformed", "invalid", "unknown"})

#: Those whose handler is never called.
UNREADABLE = frozenset({"malformed", "invalid", "unknown"})

GROUPS = 60

#: Bodies that are no message.
MALFORMED = ["", "{", "null", "[]", "7", '"text"', "\u2028", '{"mediaType": 5}', "{" * 2000, '{"Message": "{"}', "<a/>"]


@dataclass(frozen=True, slots=True)
class Planned:
    """
    A message to be published.

    :param id: the letter of its queue, and its number there
    """

    id: str
    kind: str
    body: str

    @property
    def group(self) -> str:
        """Return its FIFO group."""
        return group_of(self.id)


def group_of(message_id: str) -> str:
    """Return the FIFO group of a message."""
    return f"g{int(message_id[1:]) % GROUPS}"


def plan(seed: int, message_id: str) -> Planned:
    """Return the message of an id."""
    random = Random(f"{seed}/{message_id}")
    (kind,) = random.choices(list(KINDS), weights=list(KINDS.values()))
    content = {"mediaType": MEDIA_TYPE, "id": message_id, "kind": kind, "times": random.randint(1, 3)}
    if kind == "invalid":
        content["times"] = "not a number"
    elif kind == "unknown":
        content["mediaType"] = UNKNOWN_MEDIA_TYPE
    # SQS takes no empty body
    body = (random.choice(MALFORMED) or " ") if kind == "malformed" else dumps(content)
    return Planned(message_id, kind, body)


def chunked(messages: Sequence[Planned]) -> Iterator[Sequence[Planned]]:
    """Iterate over what one call each can send."""
    for start in range(0, len(messages), 10):
        yield messages[start : start + 10]


def to_entry(index: int, message: Planned) -> dict[str, object]:
    """Return a message's entry of a `send_message_batch` call."""
    entry: dict[str, object] = {
        "Id": str(index),
        "MessageBody": message.body,
        # tells them apart in the dead-letter queue, whatever their bodies are
        "MessageAttributes": {"id": {"DataType": "String", "StringValue": message.id}},
    }
    if message.id[0] == "f":
        entry |= {"MessageGroupId": message.group, "MessageDeduplicationId": message.id}
    return entry
