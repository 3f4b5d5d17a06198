"""
The broker: a database, a clock, and the calls on it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import time
from typing import Any, TypeVar

from botocore.exceptions import ClientError

from microcosm_pubsub.broker.errors import metadata, refuse
from microcosm_pubsub.broker.notify import Notifier, make_notifier
from microcosm_pubsub.broker.schema import last_row_id, messages
from microcosm_pubsub.broker.store import Store, StoreError
from microcosm_pubsub.broker.validation import check_parameters


T = TypeVar("T")


class Broker:
    """
    The state that all calls of the broker share.

    :param url: of the database; see `Store`
    :param synchronous: see `Store`
    :param clock: tells the time of day, in seconds since the epoch
    :param notifier: wakes receives that wait; by default the one that fits the database
    """

    def __init__(
        self,
        url: str,
        synchronous: str = "NORMAL",
        clock: Callable[[], float] = time,
        notifier: Notifier | None = None,
    ) -> None:
        self.store = Store(url, synchronous)
        self.clock = clock
        self.notifier = notifier or make_notifier(self.store)
        #: The protocols that subscriptions may have; a server adds those that it delivers.
        self.protocols = {"sqs"}
        #: Is called when something may be on its way to an endpoint that is no queue.
        self.on_delivery: Callable[[], None] = lambda: None
        #: Where messages to each topic went when something was last published there.
        self.reached: dict[str, Any] = {}
        #: Where each message that was published is, if somebody is to know whether it was received.
        self.followed: dict[str, list[dict[str, Any]]] | None = None
        #: When messages that nobody received in time were last deleted.
        self.swept_at = 0
        #: When running move tasks were last advanced.
        self.advanced_at = 0

    def now(self) -> int:
        """Return the time, in milliseconds since the epoch."""
        return int(self.clock() * 1000)

    def call(
        self,
        service: str,
        operation: str,
        function: Callable[..., dict[str, Any] | None],
        parameters: dict[str, Any],
    ) -> dict[str, Any]:
        """
        Do an operation of SQS or SNS, and answer as boto3 does.

        :param function: takes the broker and the parameters
        :raises botocore.exceptions.ParamValidationError: if boto3 would refuse the parameters
        :raises botocore.exceptions.ClientError: as boto3 does
        """
        check_parameters(service, operation, parameters)
        answer = self.run(service, operation, function, parameters)
        return {**(answer or {}), "ResponseMetadata": metadata()}

    def run(self, service: str, operation: str, function: Callable[..., T], parameters: dict[str, Any]) -> T:
        """
        Do an operation of SQS or SNS with parameters that are checked, and return the value of its function.

        :raises botocore.exceptions.ClientError: as boto3 does
        :raises Busy: in a block of `hasty`, if that would have to wait for the database
        """
        try:
            return function(self, **parameters)
        except Refusal as refusal:
            raise refuse(service, operation, refusal.name, refusal.text, refusal.status) from None
        except StoreError as error:
            raise refuse_for(error, service, operation) from error

    @contextmanager
    def together(self) -> Iterator[None]:
        """
        Let the calls of this thread, for the length of a block, be one transaction of SQLite: all are done, or none.

        :raises RolledBack: if none is, since one failed that had begun
        :raises StoreError: if the database fails
        :raises Busy: in a block of `hasty`, if it would have to wait
        """
        with self.notifier.holding(), self.store.together():
            yield

    def count_sent(self) -> int:
        """Return how many messages were ever put into queues; on PostgreSQL, at least how many."""
        with self.store.begin() as connection:
            return last_row_id(connection, messages)

    def close(self) -> None:
        """Close the database."""
        self.notifier.close()
        self.store.close()


def refuse_for(error: StoreError, service: str, operation: str) -> ClientError:
    """Return the error with which a client refuses a call, since the database failed."""
    if error.invalid:
        name = "InvalidParameterValue" if service == "sqs" else "InvalidParameterException"
        return refuse(service, operation, name, str(error))
    return refuse(service, operation, "StorageFull" if error.full else "ServiceUnavailable", str(error), status=503)


class Refusal(Exception):
    """
    Refuse a call, or an entry of a batch.

    :param name: the error's name in the service's model, or its code
    :param text: for people; what it quotes of a call may hold halves of surrogate pairs, which no answer can
    """

    def __init__(self, name: str, text: str, status: int = 400) -> None:
        text = text.encode("utf-8", "backslashreplace").decode()
        super().__init__(text)
        self.name = name
        self.text = text
        self.status = status


def invalid_value(text: str) -> Refusal:
    """Return the refusal of a parameter's value."""
    return Refusal("InvalidParameterValue", text)
