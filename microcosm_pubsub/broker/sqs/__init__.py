"""
The operations of SQS, on the broker's database.

Each function takes the broker and an operation's parameters under boto3's names, and returns the answer's members.
"""
