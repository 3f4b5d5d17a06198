"""
Pub/sub daemons on AWS SNS and SQS, wired by a microcosm object graph.

A map of the package, from the words up to the programs; lines above never import lines below:

- `constants`, `errors`, `types`, `message`, `result`: the vocabulary; no I/O.
- `codecs`, `fields`, `conventions`, `batch`: what a message says.
- `registry`, `decorators`: who says it, and who handles it.
- `envelope`, `backoff`, `context`: one message, read and judged.
- `clients`, `reader`: the wire.
- `consumer`, `producer`, `deferred`: the two public ends.
- `middleware`, `dispatcher`: run a handler, settle its message, notify the observers.
- `metrics`, `sentry`: observers.
- `handlers`, `chain`: ready-made ways to write a handler.
- `daemon`, `lambda_handler`, `worker`, `cli`: the programs.
- `testing`, `matchers`: for users' tests.

A consumed message goes from `consumer.SQSConsumer.consume` through
`dispatcher.SQSMessageDispatcher` (`run`, `settle`, `notify`) and is gone from the queue only
when its outcome says so. Start reading at `dispatcher`.
"""
