"""Calls that have their turn are made at once; the others wait in a thread, and stop nobody."""

import sqlite3

import pytest
from botocore.exceptions import ClientError
from sqlalchemy import event

from microcosm_pubsub.broker import sqlite


def test_a_locked_file_stops_only_who_needs_it(server):
    sqs = server.client("sqs")
    url = sqs.create_queue(QueueName="orders")["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="first")
    other = sqlite3.connect(server.broker.store.url.database, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    before = sqlite.BUSY_TIMEOUT_SECONDS
    sqlite.BUSY_TIMEOUT_SECONDS = 0.2
    try:
        _, said = server.request(
            "POST",
            "/",
            b'{"QueueUrl": "orders", "MessageBody": "a"}',
            X_Amz_Target="AmazonSQS.SendMessage",
        )
        assert b"ServiceUnavailable" in said
        # what needs no turn is answered
        assert server.request("POST", "/", b"{}", X_Amz_Target="AmazonSQS.Fly")[0].status == 400
        assert server.request("GET", "/health")[0].status == 503
    finally:
        sqlite.BUSY_TIMEOUT_SECONDS = before
        other.execute("ROLLBACK")
        other.close()
    assert sqs.send_message(QueueUrl=url, MessageBody="second")["MessageId"]
    assert server.request("GET", "/health")[0].status == 200


def test_a_full_disk_is_told_and_costs_nothing_that_was_answered(server):
    sqs = server.client("sqs")
    url = sqs.create_queue(QueueName="orders")["QueueUrl"]
    store = server.broker.store
    pages = [100]
    # SQLite fails at its limit of pages as at a disk without room: https://www.sqlite.org/pragma.html#pragma_max_page_count
    event.listen(
        store.engine, "connect", lambda connection, _: connection.execute(f"PRAGMA max_page_count = {pages[0]}")
    )
    store.close()
    sent = []

    def send():
        for number in range(1000):
            sqs.send_message(QueueUrl=url, MessageBody=f"{number:05d}" + "a" * 5000)
            sent.append(number)

    with pytest.raises(ClientError) as caught:
        send()
    error = caught.value.response
    assert (error["Error"]["Code"], error["ResponseMetadata"]["HTTPStatusCode"]) == ("StorageFull", 503)
    # there is room again
    pages[0] = 10_000
    store.close()
    received = []
    while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        received += [int(message["Body"][:5]) for message in messages]
    assert sorted(received) == sent != []


def test_a_message_that_is_one_byte_too_long_is_refused(server):
    sqs = server.client("sqs")
    url = sqs.create_queue(QueueName="orders")["QueueUrl"]
    body = "a" * 1048576
    sqs.send_message(QueueUrl=url, MessageBody=body)
    answer, _ = server.request(
        "POST",
        "/",
        b'{"QueueUrl": "orders", "MessageBody": "' + body.encode() + b'a"}',
        X_Amz_Target="AmazonSQS.SendMessage",
    )
    assert answer.status == 400
    assert sqs.receive_message(QueueUrl=url)["Messages"][0]["Body"] == body


def test_postgresql_is_called_from_threads(make_server, postgres):
    server = make_server(postgres.create_database())
    sqs = server.client("sqs")
    url = sqs.create_queue(QueueName="orders")["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="a")
    assert sqs.receive_message(QueueUrl=url, WaitTimeSeconds=5)["Messages"][0]["Body"] == "a"
