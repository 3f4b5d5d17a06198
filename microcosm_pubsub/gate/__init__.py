"""
The schema gate: what messages hold, as JSON Schema, and whether a change of it breaks programs that were not deployed
yet.

    pubsub schemas lock orders:OrdersDaemon      # writes pubsub.lock.json, which is committed
    pubsub schemas check orders:OrdersDaemon     # exits 1 if what is there now does not go with that

- `fields`: marshmallow schemas as JSON Schema.
- `description`: the schemas of a program: what it writes, and what it reads.
- `subset`: whether whatever one schema lets somebody write another one reads.
- `lock`: the file, and what has changed since.
- `asyncapi`: channels, operations and messages as an AsyncAPI document.
"""
