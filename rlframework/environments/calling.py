"""Abstract caller of tools: how the functions that a turn calls are run."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from rlframework.utilities.arguments import Checked


class Job(NamedTuple):
    """One call that fits its function.

    Args:
        function: The function or bound method.
        arguments: By name.
    """

    function: Callable[..., Any]
    arguments: Mapping[str, Any]


class Outcome(NamedTuple):
    """Outcome of a tool call: the value that it returned, or its error.

    Args:
        value: What the function returned.
        error: What it raised, or why it could not be run; None if it returned.
    """

    value: Any = None
    error: Exception | None = None


class Caller(Checked, ABC):
    """Runs the calls of a turn. Override `run`."""

    @abstractmethod
    def run(self, jobs: Sequence[Job]) -> list[Outcome]:
        """Return what became of each call, in their order.

        Args:
            jobs: The calls of one turn.
        """


class DirectCaller(Caller):
    """Runs one call after another, in this thread.

    Example:
        >>> DirectCaller().run([Job(divmod, {}), Job(dict, {"x": 1})])[1].value
        {'x': 1}
    """

    def run(self, jobs: Sequence[Job]) -> list[Outcome]:
        """Return what became of each call, in their order."""
        return [_called(job) for job in jobs]


def _called(job: Job) -> Outcome:
    try:
        return Outcome(job.function(**job.arguments))
    except Exception as error:
        return Outcome(error=error)
