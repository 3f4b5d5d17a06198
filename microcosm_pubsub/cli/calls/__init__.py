"""`pubsub tasks` and `pubsub rpc`."""
