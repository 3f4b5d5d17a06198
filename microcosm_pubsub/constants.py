"""
Keys of the opaque data, and the limits of AWS that the code leans on.

Each limit stands beside the page that documents it. What AWS lets one configure (a topic's
message size, a queue's visibility timeout) is not a constant, and has only its default here.
"""

from typing import Final


#: When a message was published: seconds since the epoch, as text.
PUBLISHED_KEY: Final = "x-request-published"

#: Identifies a message wherever it goes: SNS and SQS give it another id at each step.
IDENTITY_KEY: Final = "x-message-id"

#: The number of hops that a message and its consequences may still take, as text.
TTL_KEY: Final = "x-request-ttl"

#: Identifies the request that a message belongs to.
REQUEST_ID_KEY: Final = "x-request-id"

#: Keys that the context of a handled message adds to the opaque data.
MESSAGE_ID_KEY: Final = "message_id"
URI_KEY: Final = "uri"
RECEIPT_HANDLE_KEY: Final = "receipt_handle"

#: The message attribute that carries the media type, for subscription filter policies.
MEDIA_TYPE_ATTRIBUTE: Final = "media_type"

#: Stands in log lines and errors for that of a message which does not say it.
UNKNOWN_MEDIA_TYPE: Final = "unknown media type"

#: A fetched resource stays in the resource cache for this many seconds.
DEFAULT_RESOURCE_CACHE_TTL: Final = 60

#: SQS keeps a message no longer than this, in seconds.
#: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html
MAX_RETENTION_SECONDS: Final = 14 * 24 * 60 * 60

#: At most this many entries in one batch call.
#: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-batch-api-actions.html
MAX_BATCH_ENTRIES: Final = 10

#: At most this many messages in one receive.
#: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ReceiveMessage.html
MAX_RECEIVE_MESSAGES: Final = 10

#: The longest long poll, in seconds.
#: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-short-and-long-polling.html
MAX_WAIT_SECONDS: Final = 20

#: The longest visibility timeout, in seconds, counted from the receive.
#: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-visibility-timeout.html
MAX_VISIBILITY_TIMEOUT_SECONDS: Final = 12 * 60 * 60

#: The most bytes that a topic takes in one publish or one batch, unless the topic says otherwise.
#: https://docs.aws.amazon.com/sns/latest/api/API_PublishBatch.html
DEFAULT_TOPIC_SIZE_LIMIT_BYTES: Final = 256 * 1024

#: A FIFO queue's or topic's name ends so.
#: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/FIFO-queues.html
FIFO_SUFFIX: Final = ".fifo"
