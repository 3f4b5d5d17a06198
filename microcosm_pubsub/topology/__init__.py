"""
What a daemon and its producers need in AWS: topics, a queue, its dead-letter queue, subscriptions, permissions.

Daemons create nothing in AWS. This tells whoever does what there has to be, out of the handlers that are registered and
the configuration, in the words of the tool that he uses.

- `plan`: what there has to be.
- `resources`: its policies and attributes, as AWS has them.
- `templates`, `terraform`: for CloudFormation and the CDK, and for Terraform.
- `permissions`: the least that a consumer, a producer, and who empties a dead-letter queue must be allowed.
"""
