"""
Receives that wait, and end at once when somebody wants them to.
"""

from threading import Thread

from microcosm_pubsub.broker.factory import open_broker
from tests.waiting import wait_until


def test_a_receive_that_waits_ends_without_a_message():
    clients = open_broker("sqlite://")
    client = clients.queue_client
    queue_url = client.create_queue(QueueName="idle")["QueueUrl"]
    answers = []
    receive = Thread(target=lambda: answers.append(client.receive_message(QueueUrl=queue_url, WaitTimeSeconds=20)))
    receive.start()

    # It may not have begun to wait yet, so that it is interrupted until it ends.
    wait_until(lambda: client.interrupt() or not receive.is_alive(), seconds=10)

    assert answers[0].get("Messages") is None
    client.send_message(QueueUrl=queue_url, MessageBody="x")
    assert client.receive_message(QueueUrl=queue_url, WaitTimeSeconds=20)["Messages"][0]["Body"] == "x"
    clients.close()
