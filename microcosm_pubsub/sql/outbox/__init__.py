"""
The outbox: what is published inside a transaction becomes rows of it, and is published when it is committed.

- `rows`: messages as rows, and back.
- `store`: what the database does with them.
- `layer`: the publish layer that keeps messages from their topic: the component `pubsub_outbox`.
- `relay`: brings them there: a thread of each daemon, and `pubsub outbox relay`.

A row is written with `free_at` a while ahead, until which it is its own process's to publish. From then on any relay
takes it, moves `free_at` on, publishes it, and deletes it. Rows that must keep their order (of a group of a FIFO topic)
are anybody's from the beginning, but only the first of a group can be taken, and all that follow it with it.
"""
