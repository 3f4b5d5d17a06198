"""
Delivery of what is published to endpoints that are no queues.

`deliverer` takes what is due from the database; `sending` posts it to web servers of private networks, with the
`bodies` that SNS writes, which `signing` signs; what is for people goes to the log.
"""
