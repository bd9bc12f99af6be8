"""Supervisor of a vLLM server: start, health, signals that are passed on, and its exit status."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from types import FrameType
from typing import Any

_ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_PASSED_ON = (signal.SIGUSR1, signal.SIGUSR2)
_DIES_WITH_PARENT = 1  # PR_SET_PDEATHSIG
_POLL = 0.5


class NotHealthyError(RuntimeError):
    """The server did not become healthy in time."""


class Supervisor:
    """Runs one server: a process group of its own, which is gone when this ends, however this ends.

    Args:
        command: The server's.
        environment: Of the server.
        health: URL that answers 200 when the server can be used.
        patience: Seconds from the start until then.
        grace: Seconds from the first signal that ends it until its processes are killed.

    Example:
        >>> import sys
        >>> Supervisor([sys.executable, "-c", "raise SystemExit(3)"], os.environ, "http://127.0.0.1:1").run()
        3
    """

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        health: str,
        patience: float = 1800.0,
        grace: float = 30.0,
    ) -> None:
        self.command = list(command)
        self.environment = dict(environment)
        self.health = health
        self.patience = patience
        self.grace = grace
        self._process: subprocess.Popen[bytes] | None = None
        self._kill_at: float | None = None
        self._leave: Callable[[], None] = lambda: None

    @property
    def ending(self) -> bool:
        """Whether a signal has come that ends the server, or it has ended by itself."""
        return self._kill_at is not None or self._process is None or self._process.poll() is not None

    def run(self, enter: Callable[[], None] = lambda: None, leave: Callable[[], None] = lambda: None) -> int:
        """Start the server, and return when it has ended. In the main thread only: signals are its.

        Args:
            enter: Called once when the server is healthy.
            leave: Called when it is about to end or has ended, if ``enter`` was called; first of all at a signal.

        Returns:
            Its exit status; 128 and the signal where it died of one.

        Raises:
            NotHealthyError: It was not healthy within ``patience``; it has been killed.
            OSError: It cannot be started.
        """
        parent = os.getpid()
        # Before any thread of ours that this function starts; the child is not to outlive a kill -9 of this process.
        self._process = subprocess.Popen(  # noqa: S603 - the caller's command
            self.command, env=self.environment, start_new_session=True, preexec_fn=lambda: _die_with(parent)
        )
        # One that is ignored stays so: `nohup` and `trap ""` mean it.
        heard = [number for number in (*_ENDING, *_PASSED_ON) if signal.getsignal(number) != signal.SIG_IGN]
        handlers = {number: signal.signal(number, self._signalled) for number in heard}
        try:
            self._wait_for_health()
            if not self.ending:
                enter()
                self._leave = _once(leave)
                if self._kill_at is not None:  # A signal came while it was entered.
                    self._leave()
            while self._process.poll() is None:
                self._kill_if_late()
                with suppress(subprocess.TimeoutExpired):
                    self._process.wait(_POLL)
            return self._process.returncode if self._process.returncode >= 0 else 128 - self._process.returncode
        finally:
            self._leave()
            # Its engine and workers are processes of their own.
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            for number, handler in handlers.items():
                signal.signal(number, handler)

    def _wait_for_health(self) -> None:
        until = time.monotonic() + self.patience
        while not self.ending and not answers(self.health):
            if time.monotonic() > until:
                raise NotHealthyError(
                    f"{self.health} did not answer within {self.patience:g} s of the start; the server was killed. Its "
                    "log says what it was at; a large model needs more (--wait SECONDS)"
                )
            time.sleep(_POLL)

    def _signalled(self, number: int, frame: FrameType | None) -> None:
        if number in _ENDING:
            again = self._kill_at is not None
            self._kill_at = time.monotonic() + (0 if again else self.grace)
            self._leave()
        if self._process is not None and self._process.returncode is None:
            with suppress(ProcessLookupError):
                self._process.send_signal(number)

    def _kill_if_late(self) -> None:
        if self._kill_at is not None and time.monotonic() >= self._kill_at and self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)


def answers(url: str, timeout: float = 2.0) -> bool:
    """Return whether a URL answers with status 200.

    Args:
        url: The URL.
        timeout: Seconds.

    Example:
        >>> answers("http://127.0.0.1:1/health")
        False
    """
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=timeout) as answer:
            return bool(answer.status == 200)
    except (OSError, ValueError):
        return False


def _once(call: Callable[[], None]) -> Callable[[], None]:
    """Return a function that calls another the first time only; a signal may come in the middle of it."""
    begun = threading.Event()

    def once() -> None:
        if not begun.is_set():
            begun.set()
            call()

    return once


def _die_with(parent: int) -> None:
    """Have this process end when its parent does; Linux alone can."""
    with suppress(OSError, AttributeError):
        libc: Any = ctypes.CDLL(None)
        libc.prctl(_DIES_WITH_PARENT, signal.SIGTERM)
    if os.getppid() != parent:
        os._exit(1)
