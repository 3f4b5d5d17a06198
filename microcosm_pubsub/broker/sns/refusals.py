"""
The errors of SNS.

https://docs.aws.amazon.com/sns/latest/api/CommonErrors.html
"""

from __future__ import annotations

from microcosm_pubsub.broker.broker import Refusal
from microcosm_pubsub.broker.errors import load_service


def invalid_parameter(text: str) -> Refusal:
    """Return the refusal of a parameter."""
    return Refusal("InvalidParameterException", f"Invalid parameter: {text}")


def invalid_value(text: str) -> Refusal:
    """Return the refusal of a message attribute."""
    return Refusal("InvalidParameterValueException", text)


def not_found(what: str) -> Refusal:
    """Return the refusal of a call on something that is not there."""
    return Refusal("NotFoundException", f"{what} does not exist", status=404)


def code_of(refusal: Refusal) -> str:
    """Return the code that stands for a refusal in the answer to a batch."""
    code: str = load_service("sns").shape_for(refusal.name).error_code
    return code
