"""What can go wrong with a server, each with a way out."""

from __future__ import annotations


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
    """No answer, or one that says to come again later: worth asking again."""


class LoadingError(UnavailableError):
    """The server is being given these very weights at the moment, by another thread or rank: worth waiting for."""


class ForgottenWeightsError(ServerError):
    """The server has not got the weights that it was given: it was started anew, say. They are loaded again."""


class StaleWeightsError(ServerError):
    """The server answered from weights that are not the policy's; the answer is refused."""


class BadAnswerError(ServerError):
    """The answer is not what the interface promises."""


class DisagreementError(ServerError):
    """The server's log-probabilities are not the policy's, though the weights should be."""
