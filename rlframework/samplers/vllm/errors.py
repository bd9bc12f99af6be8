"""Errors of servers, each with a way out."""

from __future__ import annotations

import reprlib
from typing import Any


class ServerError(RuntimeError):
    """A server did not do what it was asked; nothing was learned from its answer.

    Args:
        message: Which server, what it was asked, what came back, and what to do.
        status: HTTP status of the answer, None where there was none.
    """

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class UnavailableError(ServerError):
    """No answer, or one that says to come again later: worth asking again.

    Args:
        message: As in `ServerError`.
        status: As in `ServerError`.
        retry_after: Seconds for which the server wants to be left alone; 0 where it does not say.
    """

    def __init__(self, message: str, status: int | None = None, retry_after: float = 0.0) -> None:
        super().__init__(message, status)
        self.retry_after = retry_after


class LoadingError(UnavailableError):
    """The server is being given these very weights at the moment, by another thread or rank: worth waiting for."""


class ForgottenWeightsError(ServerError):
    """The server has not got the weights that it was given: it was restarted, say. They are loaded again."""


class UnseenWeightsError(ServerError):
    """The server does not see the folder of the weights, or not all of it: it may see it later."""


class StaleWeightsError(ServerError):
    """The server answered from weights that are not the policy's; the answer is refused."""


class BadAnswerError(ServerError):
    """The answer is not what the interface promises."""


class DisagreementError(ServerError):
    """The server's log-probabilities are not the policy's, though the weights should be."""


_SHORT = reprlib.Repr()
_SHORT.maxlist = _SHORT.maxdict = 8
_SHORT.maxstring = _SHORT.maxother = 200


def shown(value: Any) -> str:
    """Show a part of an answer in an error message: cut, however long or deep it is.

    Example:
        >>> shown([5] * 1000)
        '[5, 5, 5, 5, 5, 5, 5, 5, ...]'
    """
    return _SHORT.repr(value)
