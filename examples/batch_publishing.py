"""
Publish many messages with few calls, and learn of each what became of it.

SNS takes up to ten messages in a call: https://docs.aws.amazon.com/sns/latest/api/API_PublishBatch.html
"""

from typing import Any

from microcosm_pubsub import created, make_producer


if __name__ == "__main__":
    sns_producer = make_producer("orders", testing=True)

    messages = [{"media_type": created("order"), "uri": f"https://orders.example.com/{n}"} for n in range(1, 13)]
    messages.append({"media_type": created("order")})  # no uri
    messages.append({"media_type": "application/vnd.example.pubsub.unknown"})  # no schema

    results = sns_producer.produce_batch(messages)

    print("published:", sum(result.ok for result in results), "of", len(results))
    for number, result in enumerate(results, 1):
        if not result.ok:
            print(f"message {number}: {type(result.error).__name__}")
    client: Any = sns_producer.sns_client  # it records its calls, since `testing` says so
    calls = client.publish_batch.call_args_list
    print("messages per call:", [len(call.kwargs["PublishBatchRequestEntries"]) for call in calls])
