"""
Pub/sub daemons on AWS SNS and SQS, wired by a microcosm object graph.

A map of the package, from the words up to the programs; lines above never import lines below:

- `constants`, `errors`, `types`, `lease`, `message`, `result`: the vocabulary; no I/O.
- `codecs`, `fields`, `conventions`, `batch`: what a message says.
- `retry`, `options`, `registry`, `decorators`: who says it, who handles it, and how.
- `envelope`, `backoff`, `context`: one message, read and judged.
- `transport`, `clients`, `reader`: the wire.
- `consumer`, `producer`, `dead_letters`: the public ends, and the last one.
- `middleware`, `calls`, `dispatcher`: run a handler, settle its message, notify the observers.
- `metrics`, `sentry`: observers.
- `handlers`, `chain`: ready-made ways to write a handler.
- `worker`: many messages at once.
- `broker`: SNS and SQS on SQL.
- `daemon`, `lambda_handler`, `cli`: the programs.
- `testing`, `matchers`: for users' tests.

A consumed message comes in by `worker.poller`, waits in `worker.buffer`, goes through `dispatcher.SQSMessageDispatcher`
(`run`, `settle`, `notify`) in a slot, and is gone from the queue only when its outcome says so, by `worker.settler`.
Start reading at `dispatcher`, then `worker.worker`.
"""
