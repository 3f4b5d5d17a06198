"""
A service on Lambda answers over HTTP, with engines that are not ours.
"""

from microcosm.api import create_object_graph, load_from_dict

from microcosm_pubsub import ConsumerDaemon, Service
from tests.unit.calls.test_on_lambda import make_event


class OnLambda(Service):
    name = "on_lambda"

    def on_echo(self, message, words: list[str]) -> list[str]:
        return words


def test_it_answers(engine):
    class OnLambdaDaemon(ConsumerDaemon):
        name = "on_lambda"
        defaults = {"sqs_consumer": {"endpoint_url": engine.url}, "sns_producer": {"endpoint_url": engine.url}}

    queue_url = engine.create_queue()
    config = {
        "sqs_consumer": {"endpoint_url": engine.url},
        "sns_producer": {"endpoint_url": engine.url},
        "sns_topic_arns": {"default": engine.create_topic(queue_url, raw=False)},
    }
    graph = create_object_graph("caller", loader=load_from_dict(config))
    graph.use("opaque", "pubsub_rpc")
    graph.lock()
    handler = OnLambdaDaemon.create_for_lambda().make_lambda_handler()
    future = graph.pubsub_rpc.call_soon("on_lambda.echo", words=["a"])

    assert handler(make_event(graph.sqs_client, queue_url), None) == {"batchItemFailures": []}

    assert future.result(10) == ["a"]
    graph.pubsub_rpc.close()
