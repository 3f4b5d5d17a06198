"""
The errors of calls, and how they are written into an answer and read from it.

https://www.jsonrpc.org/specification#error_object has the codes.
"""

from __future__ import annotations

from collections.abc import Mapping
from json import loads
from typing import Any

from microcosm_pubsub.errors import ConfigurationError, PubSubError, article


INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603
SERVER_ERROR = -32000

#: What JSON-RPC says itself, of a call and not of what it does.
RESERVED = range(-32768, SERVER_ERROR)

#: What a call without an answer says of its request: whether somebody has received it.
TAKEN = {
    True: "it was taken, and its method may have been run, or may be running",
    False: "nobody took it: see whether the service runs; one that takes it from now on does not begin it",
    None: "whether a service took it is not known: one that takes it from now on does not begin it",
}


class CallError(PubSubError):
    """The base of the errors of calls."""


class NoLedger(ConfigurationError):
    """
    There is no database in which a task could be remembered.

    :param what: what was to be done with the ledger
    """

    def __init__(self, what: str) -> None:
        super().__init__(
            f"{what}, but there is no database: set pubsub_database.url, such as "
            "sqlite:///orders.db, or bind a `sessionmaker`"
        )


class RpcError(CallError):
    """
    The error that a method raises to say what went wrong, and that its caller gets.

    :param code: a whole number; those from -32768 to -32000 are JSON-RPC's own, of which -32000 is what a method raises
    :param message: one sentence
    :param data: more, which JSON can say
    :raises TypeError: if the code is no whole number
    """

    #: The method whose call raised it, as it was called; None of an error that says what is wrong here.
    method: str | None = None

    def __init__(self, code: int, message: str, data: Any = None) -> None:
        if not isinstance(code, int):
            raise TypeError(f"The code of an RpcError is a whole number, and not {code!r}")
        # An error that is passed on as it was caught is told by its text.
        text = str(message)
        super().__init__(text)
        self.code = code
        self.message = text
        self.data = data

    def __reduce__(self) -> tuple[Any, ...]:
        # A pool of processes hands errors on, and cannot make one from its text alone.
        return _remake, (type(self), self.args), vars(self)

    @property
    def is_of_another_call(self) -> bool:
        """Return whether it says what is wrong with a call, and would say so of another if it were its answer."""
        return self.method is not None and self.code in RESERVED

    def to_dict(self) -> dict[str, Any]:
        """Return the error as an answer holds it."""
        more = {} if self.data is None else {"data": self.data}
        return {"code": self.code, "message": self.message, **more}


class MethodNotFound(RpcError):
    """The service has no such method."""

    def __init__(self, message: str, data: Any = None) -> None:
        super().__init__(METHOD_NOT_FOUND, message, data)


class InvalidParams(RpcError):
    """The parameters do not fit the function, or cannot be written as JSON."""

    def __init__(self, message: str, data: Any = None) -> None:
        super().__init__(INVALID_PARAMS, message, data)


class RemoteError(RpcError):
    """
    The method raised something.

    `type` is the class of the error by its name, if the service told it.
    """

    @property
    def type(self) -> str | None:
        """Return the name of the class of the error, if the service told it."""
        return self.data.get("type") if isinstance(self.data, Mapping) else None


class RpcTimeout(RpcError, TimeoutError):
    """
    No answer came in time, which does not tell whether the method was run, or will be.

    :param method: as it was called
    :param seconds: how long was waited
    :param taken: whether somebody had received the request by then; None if that is not known
    :param is_closed: whether the reply queue was closed before
    """

    def __init__(self, method: str, seconds: float, taken: bool | None = None, is_closed: bool = False) -> None:
        when = "before the reply queue was closed" if is_closed else f"within {seconds:g} s"
        text = f"No answer to {method} {when}; {TAKEN[taken]}"
        super().__init__(SERVER_ERROR, text, {"type": type(self).__name__, "taken": taken})
        self.method = method
        self.seconds = seconds
        self.taken = taken


def _remake(cls: type[RpcError], args: tuple[Any, ...]) -> RpcError:
    error = cls.__new__(cls)
    error.args = args
    return error


def read_answer(body: Any) -> tuple[str, Any, RpcError | None]:
    """
    Return the id of the request that an answer is to, its result, and its error, of which one is None.

    :param body: what a message of a reply queue says
    :raises ValueError: if it does not say to which request it is an answer
    """
    try:
        answer = loads(body)
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"it cannot be read as JSON ({type(error).__name__})") from None
    request_id = answer.get("id") if isinstance(answer, dict) else None
    if not isinstance(request_id, str):
        raise ValueError("it is no JSON object with an id that is text")
    # Others than ours may say that there is no error.
    if answer.get("error") is not None:
        return request_id, None, to_error(answer["error"])
    if "result" not in answer:
        return request_id, None, RemoteError(INTERNAL_ERROR, "The answer is no JSON-RPC: it has no result and no error")
    return request_id, answer["result"], None


def to_error(error: Any) -> RpcError:
    """Return the error that an answer holds."""
    if not isinstance(error, Mapping):
        return RemoteError(INTERNAL_ERROR, f"The answer is no JSON-RPC: its error is {article(error)}, and no object")
    code, message, data = error.get("code"), str(error.get("message") or "no message"), error.get("data")
    if code == METHOD_NOT_FOUND:
        return MethodNotFound(message, data)
    if code == INVALID_PARAMS:
        return InvalidParams(message, data)
    return RemoteError(code if type(code) is int else SERVER_ERROR, message, data)
