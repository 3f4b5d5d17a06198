"""
The ids that a sender gives to a message: of its group, and for its deduplication.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
"""

from __future__ import annotations

from re import compile as compile_pattern

from microcosm_pubsub.broker.broker import invalid_value


#: Letters, digits and punctuation of ASCII.
ID = compile_pattern("[!-~]{1,128}")


def check_ids(group_id: str | None, deduplication_id: str | None) -> None:
    """
    Refuse ids that SQS refuses.

    :raises Refusal: if so
    """
    for name, value in (("MessageGroupId", group_id), ("MessageDeduplicationId", deduplication_id)):
        if value is not None and ID.fullmatch(value) is None:
            raise invalid_value(
                f"Value {value} for parameter {name} is invalid. Reason: {name} can only include alphanumeric and "
                "punctuation characters. 1 to 128 in length."
            )
