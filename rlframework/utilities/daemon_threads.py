"""Daemon threads as an executor: the interpreter does not wait for them at its end, as it does for a pool's."""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from typing import Any, TypeVar

T = TypeVar("T")
R = TypeVar("R")


class DaemonExecutor(ThreadPoolExecutor):
    """Runs calls in daemon threads: one that waits for an answer does not keep a run from ending.

    Args:
        at_once: Most calls that run at the same time, and most threads; by default each call has its own.

    Example:
        >>> DaemonExecutor(at_once=2).submit(pow, 2, 3).result()
        8
    """

    def __init__(self, at_once: int | None = None) -> None:
        super().__init__()
        self._at_once = math.inf if at_once is None else at_once
        self._waiting: deque[tuple[Future[Any], Callable[[], Any]]] = deque()
        self._threads_now = 0
        self._counting = threading.Lock()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Call a function in a thread, calls in their order; cancelled before its turn, it is not called.

        Args:
            fn: The function.
            *args: Its arguments.
            **kwargs: Its arguments by name.
        """
        future: Future[Any] = Future()
        with self._counting:
            self._waiting.append((future, lambda: fn(*args, **kwargs)))
            another = self._threads_now < self._at_once
            self._threads_now += another
        if another:
            threading.Thread(target=self._work, daemon=True).start()
        return future

    def gather(
        self, function: Callable[[T], R], items: Iterable[T], told: Callable[[R], object] = lambda result: None
    ) -> list[R]:
        """Call a function with each item, and return the results in the order of the items.

        After the first failure no other call is begun, and those that run are not waited for.

        Args:
            function: What is called.
            items: Its arguments.
            told: Called in this thread with each result as it comes.
        """
        futures: list[Future[R]] = [self.submit(function, item) for item in items]
        try:
            for done in as_completed(futures):
                told(done.result())
        finally:
            for future in futures:
                future.cancel()
        return [future.result() for future in futures]

    def _work(self) -> None:
        while True:
            with self._counting:
                if not self._waiting:
                    self._threads_now -= 1
                    return
                future, call = self._waiting.popleft()
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(call())
                except BaseException as error:
                    future.set_exception(error)
