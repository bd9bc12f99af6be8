"""Callers of tools that compute, hang or wait: worker processes with a limit, threads, and an event loop."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

from rlframework.environments.calling import Caller, DirectCaller, Job, Outcome
from rlframework.environments.shared_tools import SharedTools
from rlframework.environments.tool_error import ToolError
from rlframework.rewards.event_loop import EventLoop
from rlframework.rewards.pool import CallResult, WorkerPool
from rlframework.rewards.worker import full_name
from rlframework.utilities.daemon_threads import DaemonExecutor

LIMIT_S = 10.0
# Of an async function; more wait for their turn, so that no server meets a whole rollout at once.
AT_ONCE = 64


class FailedCallError(RuntimeError):
    """A tool passed its limit, its process died, or it raised what the policy is not told of."""


class PooledCaller(Caller):
    """Runs functions in worker processes; one that hangs or crashes is ended, and takes no other call along.

    Args:
        functions: At the top of a module, so that another process can import them.
        workers: Processes, for all functions together.
        limit_s: Seconds for one call.
        tells: Exceptions that the policy is told of; they come back as a `ToolError` with the same words.

    Raises:
        ValueError: A function that another process cannot import.

    Example:
        >>> import math
        >>> caller = PooledCaller([math.factorial], workers=1, limit_s=5.0, tells=[OSError])
        >>> caller.pool.close()
    """

    def __init__(
        self, functions: Sequence[Callable[..., Any]], workers: int, limit_s: float, tells: Sequence[type[Exception]]
    ) -> None:
        self.pool = WorkerPool({function.__name__: function for function in functions}, workers, limit_s)
        self.tells = tells

    def run(self, jobs: Sequence[Job]) -> list[Outcome]:
        """Return what became of each call, in their order."""
        results = self.pool.map([(job.function.__name__, dict(job.arguments)) for job in jobs])
        return [_outcome(job, result, self.tells) for job, result in zip(jobs, results, strict=True)]


class AsyncCaller(Caller):
    """Runs async functions together, in the one event loop of this process.

    A call that does not await what it waits for holds up all others. Those that have begun are lost after the limit,
    and not made again, for they may have had their effect.

    Args:
        limit_s: Seconds for one call.
        tells: Exceptions that the policy is told of; they come back as a `ToolError` with the same words.

    Example:
        >>> async def double(x):
        ...     return 2 * x
        >>> [outcome.value for outcome in AsyncCaller(5.0, ()).run([Job(double, {"x": 1}), Job(double, {"x": 2})])]
        [2, 4]
    """

    def __init__(self, limit_s: float, tells: Sequence[type[Exception]]) -> None:
        self.limit_s = limit_s
        self.tells = tells

    def run(self, jobs: Sequence[Job]) -> list[Outcome]:
        """Return what became of each call, in their order."""
        results = EventLoop.shared().gather(_awaited, [(job,) for job in jobs], self.limit_s, AT_ONCE, again=False)
        return [_outcome(job, result, self.tells) for job, result in zip(jobs, results, strict=True)]


class ThreadedCaller(Caller):
    """Runs each call in a thread of its own; for the methods of `SharedTools`.

    Example:
        >>> [outcome.value for outcome in ThreadedCaller().run([Job(dict, {"x": 1}), Job(dict, {"x": 2})])]
        [{'x': 1}, {'x': 2}]
    """

    def run(self, jobs: Sequence[Job]) -> list[Outcome]:
        """Return what became of each call, in their order."""
        threads, here = DaemonExecutor(), DirectCaller()
        futures = [threads.submit(here.run, [job]) for job in jobs]
        return [outcome for future in futures for outcome in future.result()]


class SortingCaller(Caller):
    """Hands each call to the caller that suits its function.

    Async functions run together, methods of `SharedTools` in threads, and all others in ``workers``, or
    one after another in this thread if there are none.

    Args:
        functions: The tools.
        workers: Processes for functions that are not async; 0 runs them here.
        limit_s: Seconds for one call of an async function, or in a worker; by default 10.
        tells: Exceptions that the policy is told of.

    Attributes:
        at_once: How many threads may use it with profit; 0 where a function runs in the thread that asks.

    Raises:
        ValueError: A limit that no function could be held to, or a function that another process cannot import.
    """

    def __init__(
        self,
        functions: Sequence[Callable[..., Any]],
        workers: int,
        limit_s: float | None,
        tells: Sequence[type[Exception]],
    ) -> None:
        waiting = [function for function in functions if inspect.iscoroutinefunction(function)]
        plain = [function for function in functions if function not in waiting and not _is_shared(function)]
        if limit_s is not None and not waiting and not (workers and plain):
            raise ValueError(
                f"limit_s={limit_s} cannot be kept for {', '.join(function.__name__ for function in functions)} in "
                "this process: pass workers=1 or more for plain functions; PythonTool has limits of its own, "
                "PythonTool(BubblewrapSandbox(Limits(case_s=...)))"
            )
        limit = LIMIT_S if limit_s is None else limit_s
        self.direct: Caller = PooledCaller(plain, workers, limit, tells) if workers and plain else DirectCaller()
        self.waiting = AsyncCaller(limit, tells)
        self.threaded = ThreadedCaller()
        # What runs in this thread is maybe not made for others.
        owners = [function.__self__ for function in functions if _is_shared(function)]  # type: ignore[attr-defined]
        most = [AT_ONCE] * bool(waiting) + [workers] * bool(plain) + [owner.at_once for owner in owners]
        self.at_once = 0 if plain and not workers else max(most)

    def run(self, jobs: Sequence[Job]) -> list[Outcome]:
        """Return what became of each call, in their order."""
        outcomes: dict[int, Outcome] = {}
        for caller in (self.waiting, self.threaded, self.direct):
            own = [number for number, job in enumerate(jobs) if self._suits(job) is caller]
            if own:
                outcomes |= zip(own, caller.run([jobs[number] for number in own]), strict=True)
        return [outcomes[number] for number in range(len(jobs))]

    def _suits(self, job: Job) -> Caller:
        if inspect.iscoroutinefunction(job.function):
            return self.waiting
        return self.threaded if _is_shared(job.function) else self.direct


def _is_shared(function: Callable[..., Any]) -> bool:
    return isinstance(getattr(function, "__self__", None), SharedTools)


async def _awaited(job: Job) -> Any:
    return await job.function(**job.arguments)


def _outcome(job: Job, result: CallResult, tells: Sequence[type[Exception]]) -> Outcome:
    """Return the outcome of a call that ran elsewhere, whose exception is known by its name alone."""
    if result.failure is None:
        return Outcome(result.value)
    error = result.error
    if error is None or not {full_name(kind) for kind in tells} & set(error.kinds):
        return Outcome(error=FailedCallError(f"the tool {job.function.__name__} failed: {result.detail}"))
    if full_name(ToolError) in error.kinds:
        return Outcome(error=ToolError(error.message))
    return Outcome(error=ToolError(f"{error.kinds[0].rpartition('.')[2]}: {error.message}"))
