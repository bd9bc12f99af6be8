"""The event loop that async rewards run in: one for the process, on a thread that keeps nothing from ending."""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
import time
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import CancelledError, Future
from contextlib import suppress
from typing import Any

from rlframework.rewards.pool import CallResult
from rlframework.rewards.waiting import SLICE_S, stoppable
from rlframework.rewards.worker import Raised
from rlframework.utilities.daemon_threads import DaemonExecutor

TICK_S = 0.05


class EventLoop:
    """An asyncio loop on a daemon thread.

    What lives on from call to call, such as a shared ``httpx.AsyncClient``, belongs to the loop that it was first used
    in. So there is one for the process, `shared`, closed when the interpreter ends.

    Example:
        >>> async def double(number):
        ...     return 2 * number
        >>> loop = EventLoop()
        >>> [outcome.value for outcome in loop.gather(double, [(1,), (2,)], limit_s=5.0, at_once=8)]
        [2, 4]
        >>> loop.close()
    """

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.loop.set_default_executor(DaemonExecutor())
        self.thread = threading.Thread(target=self.loop.run_forever, name="async rewards", daemon=True)
        self.thread.start()
        self.turned = time.monotonic()

    def gather(
        self,
        function: Callable[..., Any],
        calls: Sequence[tuple[Any, ...]],
        limit_s: float,
        at_once: int,
        again: bool = True,
    ) -> list[CallResult]:
        """Call an async function with each tuple of arguments, together; return the outcomes in the same order.

        A call's clock runs from when it begins and while the loop turns: what others do between two awaits does not
        count. Where the loop does not turn for twice the limit, since some call blocks it, every call that is not back
        is made again in a loop of its own, so that only the one that blocks is lost; unless they share a client, which
        belongs to the loop that is blocked. With ``again=False`` a call that has begun is not, as it may have had its
        effect.

        Args:
            function: What is called.
            calls: The arguments of each call, by position.
            limit_s: Seconds for one call.
            at_once: How many calls run together.
            again: Whether a call may be made twice.
        """
        begun: dict[int, float] = {}
        outcomes: dict[int, CallResult] = {}
        self.turned = time.monotonic()
        done = asyncio.run_coroutine_threadsafe(
            self._all(function, calls, limit_s, at_once, outcomes, begun), self.loop
        )
        with stoppable():
            try:
                while not done.done() and time.monotonic() - self.turned < 2 * limit_s + 1:
                    with suppress(TimeoutError, CancelledError):
                        done.result(SLICE_S)
            finally:
                if not done.done():
                    done.cancel()
        if done.done() and not done.cancelled():
            done.result()
        known = dict(outcomes)
        if not again:
            blocked = CallResult(failure="timeout", detail=f"{_late(limit_s)}; {_BLOCKED}")
            known = dict.fromkeys(begun, blocked) | known
        missing = [number for number in range(len(calls)) if number not in known]
        apart = self._apart(function, [calls[number] for number in missing], limit_s, at_once)
        known |= zip(missing, apart, strict=True)
        return [known[number] for number in range(len(calls))]

    async def _all(
        self,
        function: Callable[..., Any],
        calls: Sequence[tuple[Any, ...]],
        limit_s: float,
        at_once: int,
        outcomes: dict[int, CallResult],
        begun: dict[int, float],
    ) -> None:
        free = asyncio.Semaphore(at_once)
        clock = 0.0

        async def one(number: int, call: tuple[Any, ...]) -> None:
            async with free:
                begun[number] = clock
                try:
                    outcome = CallResult(await _kept_in(function(*call)))
                except asyncio.CancelledError:
                    raise
                except Exception as error:
                    outcome = CallResult.of_error(Raised.by(error))
                outcomes.setdefault(number, outcome)

        tasks = {asyncio.ensure_future(one(number, call)): number for number, call in enumerate(calls)}
        running = set(tasks)
        try:
            while running:
                before = self.turned = time.monotonic()
                finished, running = await asyncio.wait(running, timeout=TICK_S)
                # A long turn is somebody's block, and nobody else's time.
                clock += min(time.monotonic() - before, 2 * TICK_S)
                for task in finished:
                    if task.cancelled() or task.exception() is not None:
                        outcomes.setdefault(tasks[task], CallResult(failure="crash", detail="the call was cancelled"))
                late = {task for task in running if clock - begun.get(tasks[task], clock) > limit_s}
                for task in late:
                    outcomes[tasks[task]] = CallResult(failure="timeout", detail=_late(limit_s))
                    task.cancel()
                # One that swallows its cancellation is not waited for.
                running -= late
        finally:
            for task in running:
                task.cancel()

    def _apart(
        self, function: Callable[..., Any], calls: Sequence[tuple[Any, ...]], limit_s: float, at_once: int
    ) -> list[CallResult]:
        """Make each call in a loop and a thread of its own."""
        found: list[CallResult] = []
        for start in range(0, len(calls), at_once):
            futures: list[Future[Any]] = []
            loops: list[EventLoop] = []
            for call in calls[start : start + at_once]:
                loops.append(EventLoop())
                futures.append(asyncio.run_coroutine_threadsafe(_kept_in(function(*call)), loops[-1].loop))
            ends = time.monotonic() + limit_s
            with stoppable():
                while time.monotonic() < ends and not all(future.done() for future in futures):
                    time.sleep(min(SLICE_S, limit_s))
            found += [_outcome(future, limit_s) for future in futures]
            for loop, future in zip(loops, futures, strict=True):
                loop.close(0.2 if future.done() else 0.0)
        return found

    @property
    def answers(self) -> bool:
        """Whether the loop turns at this moment."""
        turned = threading.Event()
        if not self.thread.is_alive():
            return False
        self.loop.call_soon_threadsafe(turned.set)
        return turned.wait(1.0)

    def close(self, patience_s: float = 1.0) -> None:
        """Cancel what runs and end the loop; a call that blocks it is left behind."""
        if self.loop.is_closed():
            return

        async def ending() -> None:
            tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
            for task in tasks:
                task.cancel()
            if tasks:
                await asyncio.wait(tasks, timeout=patience_s / 2)
            await self.loop.shutdown_asyncgens()
            self.loop.stop()

        coroutine = ending()
        try:
            asyncio.run_coroutine_threadsafe(coroutine, self.loop)
        except RuntimeError:
            coroutine.close()
        self.thread.join(patience_s)
        if not self.thread.is_alive():
            self.loop.close()

    @staticmethod
    def shared() -> EventLoop:
        """Return the loop of this process; another one if a call has blocked the last and still does."""
        with _LOCK:
            known = _SHARED.get(os.getpid())
            if known is None or not known.answers:
                _SHARED.clear()
                _SHARED[os.getpid()] = known = EventLoop()
            return known


def run_async(coroutine: Coroutine[Any, Any, Any], limit_s: float) -> CallResult:
    """Run a coroutine in the shared loop; it is given up after the limit, and after twice if it blocks the loop."""
    future = asyncio.run_coroutine_threadsafe(asyncio.wait_for(_kept_in(coroutine), limit_s), EventLoop.shared().loop)
    ends = time.monotonic() + 2 * limit_s
    with stoppable():
        try:
            while not future.done() and time.monotonic() < ends:
                time.sleep(min(SLICE_S, limit_s) / 10)
        finally:
            if not future.done():
                future.cancel()
    return _outcome(future, limit_s)


async def _kept_in(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Await it; what would end the thread of the loop is an error as any other."""
    try:
        return await coroutine
    except (KeyboardInterrupt, SystemExit) as error:
        raise RuntimeError(f"{type(error).__name__} was raised") from error


def _outcome(future: Future[Any], limit_s: float) -> CallResult:
    if not future.done() or future.cancelled():
        future.cancel()
        return CallResult(failure="timeout", detail=f"{_late(limit_s)}; {_BLOCKED}")
    error = future.exception()
    if isinstance(error, TimeoutError):
        return CallResult(failure="timeout", detail=_late(limit_s))
    if error is not None:
        return CallResult.of_error(Raised.by(error))
    return CallResult(future.result())


def _late(limit_s: float) -> str:
    return f"no answer within {limit_s:g} s"


_BLOCKED = "what is not awaited blocks the event loop"
_LOCK = threading.Lock()
_SHARED: dict[int, EventLoop] = {}


@atexit.register
def _close_shared() -> None:
    known = _SHARED.get(os.getpid())
    if known is not None:
        known.close()
