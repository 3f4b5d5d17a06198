"""
Consume from something that is no SQS: a client has the few methods of boto3's that a daemon calls.
"""

from typing import Any

from microcosm.api import binding

from microcosm_pubsub import ConsumerDaemon, created, handles
from microcosm_pubsub.message import BatchAnswer, RawMessage, ReceiveAnswer, SettleEntry


@binding("sqs_client")
class ListClient:
    def __init__(self, graph: Any) -> None:
        bodies = [f'{{"mediaType": "{created("order")}", "uri": "https://example.com/{n}"}}' for n in (1, 2)]
        self.messages: list[RawMessage] = [
            {"MessageId": str(n), "ReceiptHandle": str(n), "Body": body} for n, body in enumerate(bodies)
        ]

    def receive_message(self, MaxNumberOfMessages: int = 1, **_: Any) -> ReceiveAnswer:
        return {"Messages": self.messages[:MaxNumberOfMessages]}

    def delete_message(self, ReceiptHandle: str, **_: Any) -> None:
        self.messages = [message for message in self.messages if message.get("ReceiptHandle") != ReceiptHandle]

    def delete_message_batch(self, Entries: list[SettleEntry], **_: Any) -> BatchAnswer:
        for entry in Entries:
            self.delete_message(entry["ReceiptHandle"])
        return {"Successful": [{"Id": entry["Id"]} for entry in Entries]}

    def change_message_visibility(self, **_: Any) -> None:
        """It is visible already."""

    def change_message_visibility_batch(self, Entries: list[SettleEntry], **_: Any) -> BatchAnswer:
        return {"Successful": [{"Id": entry["Id"]} for entry in Entries]}


@handles(created("order"))
def order_created(message: dict[str, Any]) -> bool:
    print("handling", message["uri"])
    return True


class OrdersDaemon(ConsumerDaemon):
    name = "orders"
    defaults = {"logging": {"level": "CRITICAL"}}


if __name__ == "__main__":
    daemon = OrdersDaemon.create_for_testing()
    for result in daemon.graph.sqs_message_dispatcher.handle_batch(daemon.bound_handlers):
        print(result.outcome)
