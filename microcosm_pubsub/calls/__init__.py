"""
Calls that travel: a function whose call is carried out elsewhere, and a service whose methods answer.

    @task
    def resize(image_id: int, width: int = 100) -> None: ...

    resize.send(12, width=200)

    class Inventory(Service):
        name = "inventory"

        def on_count(self, message: SQSMessage, item: str) -> int: ...

    graph.pubsub_rpc.call("inventory.count", item="bolt")

Both are one message, `{method, params, id?}` as in JSON-RPC 2.0 (https://www.jsonrpc.org/specification): without an id
it is a task, or a notice to a service; with one it is a request, and its answer goes to the queue that it names.

- `message`: what stands in it.
- `declared`, `parameters`, `loss`: what a function takes, its arguments as JSON, and what JSON would change of them.
- `handler`: what calls a function for a message.
- `functions`, `hooks`, `options`, `sending`, `tasks`, `running`, `local`: `@task`, what sends, the component, and what
  runs them, elsewhere or here.
- `service`, `replies`: `Service`, and the answers of its methods.
- `rpc`, `reply_queue`, `cleaning`: the caller, and where its answers come to.
- `changes`: `@on_change`.
"""
