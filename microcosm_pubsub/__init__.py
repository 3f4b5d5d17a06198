"""
Pub/sub daemons on AWS SNS and SQS, wired by a microcosm object graph.

A map of the package, in the order in which data flows: from the words, by what a message says and who handles it, over
the wire to the two ends, and to what runs a handler. Lines below may import lines above, never the other way round, and
names on one line do not import each other. `pyproject.toml` holds this (`importlinter`).

- `constants`, `errors`, `version`: the vocabulary; no I/O.
- `config`, `fast`: configuration values; short ways that stand in for plain code, with one switch.
- `message`: one received message, and the time for which it is ours.
- `backoff`, `result`: when it comes again, and what came of handling it.
- `codecs`, `types`: what a message says, as text; the types that the parts share.
- `conventions`: media types and schemas of lifecycle changes.
- `batch`, `fields`: a message of messages; fields of schemas.
- `retry`: whether it is tried again, or given up.
- `registry`: who says what, who handles it, and how.
- `decorators`: `@schema` and `@handles`.
- `context`: what is known while a message is handled.
- `envelope`: how a wire body becomes a message.
- `reader`: queues that are files.
- `clients`: the wire.
- `dead_letters`: the last end of a message: peek, group, redrive.
- `consumer`, `producer`: the two public ends.
- `middleware`: what wraps a handler.
- `dispatcher`: run, settle, notify.
- `metrics`, `sentry`: observers.
- `chain`: handlers as chains of small functions.
- `handlers`: ready-made handlers.
- `broker`: SNS and SQS on SQL.
- `testing`: clients that record, for users' tests.
- `matchers`: what users' tests say of messages.
- `health`: what an orchestrator asks over HTTP.
- `lambda_handler`, `worker`: many messages at once, there and here.
- `daemon`: the program.
- `cli`: the commands.

A consumed message comes in by `worker`, goes through `dispatcher.SQSMessageDispatcher` (`run`, `settle`, `notify`), and
is gone from the queue only when its outcome says so. Start reading at `dispatcher`, then `worker.worker`.
"""
