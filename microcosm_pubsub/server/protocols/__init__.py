"""
The protocols of SQS and SNS on the wire: JSON 1.0 for SQS, and the query protocol for all.

Both are read and written by botocore's models of the services, shape by shape.
"""
