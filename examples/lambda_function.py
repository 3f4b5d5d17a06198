"""
Run a daemon's handlers on AWS Lambda.

The event source mapping must have `ReportBatchItemFailures` set: Lambda deletes what the answer does not name.
"""

from json import dumps
from os import environ
from typing import Any

from microcosm_pubsub import ConsumerDaemon, created, handles


@handles(created("order"))
def order_created(message: dict[str, Any]) -> bool:
    print("handling", message["uri"])
    if message["uri"].endswith("/2"):
        raise ConnectionError("the warehouse did not answer")
    return True


class OrdersDaemon(ConsumerDaemon):
    name = "orders"
    defaults = {"logging": {"level": "CRITICAL"}}


# named as the function's handler: lambda_function.lambda_handler
lambda_handler = OrdersDaemon.make_lambda_handler()


def make_record(message_id: str, body: str) -> dict[str, Any]:
    return {
        "messageId": message_id,
        "receiptHandle": f"handle-{message_id}",
        "body": body,
        "attributes": {"ApproximateReceiveCount": "1"},
        "messageAttributes": {},
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:orders",
    }


if __name__ == "__main__":
    environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")  # as Lambda does
    bodies = [dumps({"mediaType": created("order"), "uri": f"https://orders.example.com/{n}"}) for n in (1, 2, 3)]
    event = {"Records": [make_record(str(n), body) for n, body in enumerate([*bodies, "{not json"], 1)]}
    print(dumps(lambda_handler(event, None)))
    print(lambda_handler({"warm": True}, None))
