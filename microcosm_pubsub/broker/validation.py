"""
Check the parameters of a call as boto3 does, and refuse what boto3 refuses.

botocore's own validator has the last word and writes the report. Before it, a check that is compiled once from the same
model says quickly, for nearly every call, that there is nothing to report.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from botocore.exceptions import ParamValidationError
from botocore.validate import ParamValidator

from microcosm_pubsub.broker.errors import load_service


Check = Callable[[Any], bool]


def check_parameters(service: str, operation: str, parameters: Mapping[str, Any]) -> None:
    """
    Refuse parameters that boto3 would refuse.

    :raises botocore.exceptions.ParamValidationError: if so
    """
    shape, is_valid = load_input(service, operation)
    if is_valid(parameters):
        return
    report = ParamValidator().validate(parameters, shape)
    if report.has_errors():
        raise ParamValidationError(report=report.generate_report())


@cache
def load_input(service: str, operation: str) -> tuple[Any, Check]:
    """Return the shape of an operation's parameters, and the check that is compiled from it."""
    shape = load_service(service).operation_model(operation).input_shape
    return shape, compile_check(shape)


def compile_check(shape: Any) -> Check:
    """Return a check of values of a shape; it is True only if botocore has nothing to report."""
    minimum = shape.metadata.get("min", 0)
    match shape.type_name:
        case "structure":
            return _compile_structure(shape)
        case "list":
            member = compile_check(shape.member)
            return lambda value: type(value) is list and len(value) >= minimum and all(map(member, value))
        case "map":
            key, item = compile_check(shape.key), compile_check(shape.value)
            return lambda value: type(value) is dict and all(map(key, value)) and all(map(item, value.values()))
        case "string":
            return lambda value: type(value) is str and len(value) >= minimum
        case "integer" if not minimum:
            return lambda value: type(value) is int
        case "boolean":
            return lambda value: type(value) is bool
        case "blob":
            return lambda value: type(value) is bytes
        case _:
            return lambda value: False


def _compile_structure(shape: Any) -> Check:
    members = {name: compile_check(member) for name, member in shape.members.items()}
    required = frozenset(shape.required_members)

    def check(value: Any) -> bool:
        if type(value) is not dict or not required <= value.keys():
            return False
        for name, item in value.items():
            member = members.get(name)
            if member is None or not member(item):
                return False
        return True

    return check
