"""
SNS and SQS on SQL: the embedded broker.

A `Broker` holds a database (SQLite or PostgreSQL); `BrokerQueueClient` and `BrokerTopicClient` do on it what boto3's
clients do at AWS. Read `sqs.receiving` first: a receive is one short transaction.
"""
