"""
The needs of a daemon and its producers in AWS: topics, a queue, its dead-letter queue, subscriptions, permissions.

Daemons create nothing in AWS. This tells the people who do what there has to be, out of the handlers that are
registered and the configuration, in the words of the tool that he uses.

- `plan`: what there has to be.
- `resources`: its policies and attributes, as AWS has them.
- `templates`, `terraform`: for CloudFormation and the CDK, and for Terraform.
- `permissions`: the least that a consumer, a producer, a caller, and a user of `pubsub dlq` must be allowed.
- `engine`, `inventory`: where a daemon's queues and topics are, and what there is.
- `comparison`, `admission`: what there has to be beside that; whom the policy of a queue lets send.
- `provisioner`: what is missing made, and what differs changed, when somebody deploys.
"""
