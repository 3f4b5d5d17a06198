"""
Consume from something that is no SQS: a client has the few methods of boto3's that a daemon calls.
"""

from microcosm.api import binding

from microcosm_pubsub import ConsumerDaemon, created, handles


class ListClient:
    def __init__(self, bodies):
        self.messages = [{"MessageId": str(n), "ReceiptHandle": str(n), "Body": body} for n, body in enumerate(bodies)]

    def receive_message(self, MaxNumberOfMessages=1, **_):
        return {"Messages": self.messages[:MaxNumberOfMessages]}

    def delete_message(self, ReceiptHandle, **_):
        self.messages = [message for message in self.messages if message["ReceiptHandle"] != ReceiptHandle]

    def delete_message_batch(self, Entries, **_):
        for entry in Entries:
            self.delete_message(entry["ReceiptHandle"])
        return {"Successful": [{"Id": entry["Id"]} for entry in Entries]}

    def change_message_visibility(self, **_):
        """It is visible already."""

    def change_message_visibility_batch(self, Entries, **_):
        return {"Successful": [{"Id": entry["Id"]} for entry in Entries]}


@binding("sqs_client")
def configure_sqs_client(graph):
    media_type = created("order")
    return ListClient([f'{{"mediaType": "{media_type}", "uri": "https://example.com/{n}"}}' for n in (1, 2)])


@handles(created("order"))
def order_created(message):
    print("handling", message["uri"])
    return True


class OrdersDaemon(ConsumerDaemon):
    name = "orders"
    defaults = {"logging": {"level": "CRITICAL"}}


if __name__ == "__main__":
    daemon = OrdersDaemon.create_for_testing()
    for result in daemon.graph.sqs_message_dispatcher.handle_batch(daemon.bound_handlers):
        print(result.result)
