"""Print what an old botocore's model of SQS calls lists and maps in the query protocol."""

from json import dumps

import boto3


model = boto3.client("sqs", endpoint_url="http://127.0.0.1:1", region_name="eu-central-1").meta.service_model
found = {}


def walk(shape, seen):
    for member, inner in getattr(shape, "members", {}).items():
        if inner.type_name in ("list", "map"):
            names = [inner.serialization.get("name")]
            if inner.type_name == "list":
                names = [inner.member.serialization.get("name") or names[0] or member]
                names.append(inner.serialization.get("flattened"))
            else:
                names.append(inner.serialization.get("flattened"))
                names.append(inner.key.serialization.get("name"))
                names.append(inner.value.serialization.get("name"))
            found[f"{shape.name}.{member}"] = names
        element = inner.member if inner.type_name == "list" else inner
        if element.type_name == "structure" and element.name not in seen:
            walk(element, seen | {element.name})


for operation in model.operation_names:
    for shape in (model.operation_model(operation).input_shape, model.operation_model(operation).output_shape):
        if shape is not None:
            walk(shape, {shape.name})
print(dumps(found))
