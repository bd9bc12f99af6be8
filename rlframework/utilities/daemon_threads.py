"""Daemon threads as an executor: the interpreter does not wait for them at its end, as it does for a pool's."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from typing import Any


class DaemonExecutor(ThreadPoolExecutor):
    """Runs each call in a daemon thread of its own: one that waits for an answer does not keep a run from ending.

    Args:
        at_once: Most calls that run at the same time; by default all.

    Example:
        >>> DaemonExecutor(at_once=2).submit(pow, 2, 3).result()
        8
    """

    def __init__(self, at_once: int | None = None) -> None:
        super().__init__()
        self._turn: AbstractContextManager[Any] = nullcontext() if at_once is None else threading.Semaphore(at_once)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Call a function in a thread of its own; cancelled before its turn, it is not called.

        Args:
            fn: The function.
            *args: Its arguments.
            **kwargs: Its arguments by name.
        """
        future: Future[Any] = Future()

        def body() -> None:
            with self._turn:
                if future.set_running_or_notify_cancel():
                    try:
                        future.set_result(fn(*args, **kwargs))
                    except BaseException as error:
                        future.set_exception(error)

        threading.Thread(target=body, daemon=True).start()
        return future
