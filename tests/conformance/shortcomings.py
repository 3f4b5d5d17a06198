"""
What clients under test cannot do: the reason, and the tests that show it.

A test is named by its file and function, and by its case if only some of its cases fail. Each of them must fail:
one that passes has been mended, and is to be struck off.
"""

#: Over HTTP there is no clock that a test could set forward.
NO_CLOCK = "its clock cannot be set forward"

READER = {
    "it says that the input has ended, by an error of its own": ["source.drained"],
    "what is read is gone, and does not come again": ["source.release", "source.nonsense_handle"],
}

MINISTACK = {
    "it takes a label of a permission twice, and one that is not there": ["permission.queue_permission_refused"],
    "it takes names and attributes of queues that are none": [
        "dead_letter.policy_for_a_queue_of_another_type_refused",
        "fifo.attributes_refused",
        "queue.name[slash]",
        "queue.name[suffix alone]",
        "queue.name[too long]",
        "queue.set_unknown_attribute",
    ],
    "it does not know the default of the deduplication scope": ["queue.default_fifo_attributes"],
    "asked for no attributes, it gives all": ["queue.select_attributes"],
    "it does not list the sources of a dead-letter queue": [
        "dead_letter.sources_are_listed",
        "permission.sources_in_pages",
        "queue.unknown_queue[list_dead_letter_source_queues-arguments6]",
    ],
    "it does not move messages out of a dead-letter queue": [
        "dead_letter.latest_task_is_listed_first",
        "dead_letter.move_back",
        "dead_letter.move_elsewhere",
        "dead_letter.move_unknown",
        "dead_letter.move_what_is_no_dead_letter_queue",
        "dead_letter.what_is_moved_is_a_new_message",
    ],
    "it takes numbers that are out of range": [
        "receiving.refused[{'VisibilityTimeout': -1}]",
        "receiving.refused[{'VisibilityTimeout': 43201}]",
        "receiving.refused[{'WaitTimeSeconds': -1}]",
        "receiving.refused[{'WaitTimeSeconds': 21}]",
        "sending.delay_refused",
        "sending.send_batch_partially[delay]",
        "visibility.change_batch_partially",
        "visibility.timeout_refused",
    ],
    "it does not look at message attributes": [
        "publishing.attributes_refused",
        "publishing.raw_delivery_of_eleven_attributes",
        "sending.attributes_refused",
        "sending.size_limit_counts_attributes",
    ],
    "a standard queue takes a deduplication id": ["sending.standard_queue_takes_no_deduplication_id"],
    "it takes any text for the ids of a message": [
        "fifo.refused[length of a group]",
        "fifo.refused[letter of a deduplication]",
        "fifo.refused[letter of a group]",
    ],
    "it does not know attempts at a receive": ["fifo.same_receive_again"],
    "an old handle, or that of a deleted message, is to it no handle": [
        "visibility.change_what_is_deleted",
        "visibility.delete",
        "visibility.delete_with_an_old_handle",
    ],
    "whether a message is in flight is nothing to it": [
        "fifo.delete_with_an_old_handle",
        "visibility.change_what_is_not_in_flight",
    ],
    "it takes names, attributes and protocols of SNS that are none": [
        "topic.name",
        "topic.protocol_refused",
        "topic.subscribe_again_otherwise",
        "topic.subscription_attribute_refused",
    ],
    "it takes any filter policy": ["filter.policy_refused"],
    "it compares text with numbers": ["filter.attributes[numeric range]", "filter.body[numeric]"],
    "it does not look into arrays of objects": ["filter.body[array of objects]"],
    "it knows neither null nor booleans": ["filter.body[boolean]", "filter.body[null]"],
    "the envelope lacks binary values": ["publishing.envelope_attributes"],
    "the envelope lacks the sequence number": ["publishing.fifo_envelope"],
    "it publishes what SNS refuses": [
        "publishing.message_by_protocol_refused",
        "publishing.publish_batch_partially",
        "publishing.publish_batch_refused[space]",
        "publishing.publish_batch_too_long",
        "publishing.publish_refused[empty subject]",
        "publishing.publish_refused[empty]",
        "publishing.publish_refused[long subject]",
    ],
    "it refuses with InvalidParameterException, which is a name and no code": [
        "publishing.fifo_refused",
        "publishing.publish_batch_refused[empty]",
    ],
    "a FIFO queue may subscribe to a standard topic": ["publishing.fifo_queue_of_a_standard_topic"],
}

MOTO = {
    "it lists all sources of a dead-letter queue at once": ["permission.sources_in_pages"],
    "it takes names and attributes of queues that are none": [
        "dead_letter.policy_for_a_queue_of_another_type_refused[False]",
        "dead_letter.policy_refused[never]",
        "dead_letter.policy_refused[too many]",
        "fifo.attributes_refused",
        "queue.name[suffix alone]",
        "queue.set_attribute_out_of_range",
        "queue.set_unknown_attribute",
    ],
    "it has no RedriveAllowPolicy": ["queue.policies_are_kept"],
    "it does not move messages out of a dead-letter queue": [
        "dead_letter.latest_task_is_listed_first",
        "dead_letter.move_back",
        "dead_letter.move_elsewhere",
        "dead_letter.move_unknown",
        "dead_letter.move_what_is_no_dead_letter_queue",
        "dead_letter.what_is_moved_is_a_new_message",
    ],
    "it does not tell a dead letter's source": ["dead_letter.source_is_named"],
    "it takes any text for the ids of a message": [
        "fifo.refused[length of a group]",
        "fifo.refused[letter of a deduplication]",
        "fifo.refused[letter of a group]",
    ],
    "it takes negative numbers": [
        "receiving.refused[{'VisibilityTimeout': -1}]",
        "sending.delay_refused[-1]",
        "visibility.timeout_refused[-1]",
    ],
    "it takes empty bodies, and any characters": ["sending.body_refused"],
    "a message that is sent alone is not held against the queue's limit": [
        "sending.size_limit",
        "sending.size_limit_counts_attributes",
    ],
    "one bad entry makes a whole batch fail, or is taken": [
        "sending.send_batch_partially[characters]",
        "sending.send_batch_partially[size]",
    ],
    "SNS takes some bad message attributes, and refuses others with InvalidParameter": [
        "publishing.attributes_refused"
    ],
    "it delivers more attributes than raw delivery has room for": ["publishing.raw_delivery_of_eleven_attributes"],
    "it takes bad message attributes": [
        "sending.attributes_refused[eleven]",
        "sending.attributes_refused[empty value]",
        "sending.attributes_refused[name]",
    ],
    "a standard queue takes a deduplication id": ["sending.standard_queue_takes_no_deduplication_id"],
    "a batch gets no sequence numbers": ["fifo.order_of_a_batch"],
    "a message that is deduplicated by its content gets no sequence number": ["fifo.sequence_numbers"],
    "a duplicate gets an id of its own": ["fifo.deduplication_by_id"],
    "it forgets the deduplication id with the message": ["fifo.deduplication_outlives_the_message"],
    "it deduplicates over all groups": ["fifo.high_throughput"],
    "it does not know attempts at a receive": ["fifo.same_receive_again"],
    "whether a message is in flight is nothing to it": [
        "fifo.delete_with_an_old_handle",
        "visibility.change_what_is_not_in_flight",
    ],
    "the handle of a deleted message is to it no handle": ["visibility.change_what_is_deleted"],
    "it hardly looks at batches of deletes and changes": [
        "visibility.batch_refused[change_message_visibility_batch-empty]",
        "visibility.batch_refused[change_message_visibility_batch-repeated]",
        "visibility.batch_refused[change_message_visibility_batch-space]",
        "visibility.batch_refused[change_message_visibility_batch-too many]",
        "visibility.batch_refused[delete_message_batch-space]",
        "visibility.batch_refused[delete_message_batch-too many]",
    ],
    "it takes attributes and protocols of SNS that are none": [
        "topic.protocol_refused",
        "topic.subscribe_again_otherwise",
        "topic.subscription_attribute_refused[FilterPolicy-no JSON]",
        "topic.subscription_attribute_refused[FilterPolicyScope-Everything]",
        "topic.subscription_attribute_refused[RawMessageDelivery-maybe]",
    ],
    "it does not know equals-ignore-case": ["filter.attributes[equals-ignore-case]"],
    "a message without attributes matches what must not exist": ["filter.attributes[exists not]"],
    "it takes empty lists, and numbers for texts, in a policy": [
        "filter.policy_refused[{'colour': []}]",
        "filter.policy_refused[{'colour': [{'prefix': 5}]}]",
    ],
    "it fails on the body of a message that does not match by type": ["filter.body[numeric]", "filter.body[or]"],
    "it does not know null": ["filter.body[null]"],
    "it signs with version 2, which SNS does only if told": ["publishing.envelope"],
    "it cannot deliver binary attributes": ["publishing.raw_delivery"],
    "a queue that is gone makes the publish fail": ["publishing.queue_is_gone"],
    "a topic does not hand its deduplication on to a queue": [
        "publishing.fifo",
        "publishing.fifo_batch",
        "publishing.fifo_deduplication",
        "publishing.fifo_envelope",
    ],
    "it refuses a missing group with SQS's code": ["publishing.fifo_refused[no group]"],
    "it publishes what SNS refuses": [
        "publishing.message_by_protocol_refused",
        "publishing.publish_batch_partially",
        "publishing.publish_batch_refused[empty]",
        "publishing.publish_batch_refused[space]",
        "publishing.publish_batch_too_long",
        "publishing.publish_refused[empty subject]",
        "publishing.publish_refused[empty]",
    ],
}

SHORTCOMINGS = {"SQSJsonReader": READER, "SQSFileReader": READER, "ministack": MINISTACK, "moto": MOTO}


def find_shortcoming(subject: str, test: str, case: str) -> str | None:
    """The reason why a subject fails a test, or a case of it."""
    names = {test, f"{test}[{case}]"}
    return next((reason for reason, tests in SHORTCOMINGS.get(subject, {}).items() if names & set(tests)), None)
