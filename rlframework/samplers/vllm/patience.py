"""Retries of servers that do not answer: the time that a run waits, and how often it asks."""

from __future__ import annotations

import random
import threading
import time

from rlframework.samplers.vllm.errors import ServerError

_FIRST_DELAY, _LONGEST_DELAY = 0.1, 5.0
# Not the global numbers: how often a server was asked is no part of what a run draws.
_JITTER = random.Random()


class Patience:
    """Waits between attempts, twice as long each time, until it runs out.

    Args:
        seconds: Time to go on after the first failure.
        halt: Set when nobody waits for the result any more.

    Attributes:
        attempts: Failures so far.

    Example:
        >>> from rlframework.samplers.vllm.errors import UnavailableError
        >>> patience = Patience(0.0, threading.Event())
        >>> patience.wait(UnavailableError("http://127.0.0.1:8000 gave no answer"))
        Traceback (most recent call last):
        ...
        rlframework.samplers.vllm.errors.ServerError: http://127.0.0.1:8000 gave no answer. Asked 1 times in 0 s...
    """

    def __init__(self, seconds: float, halt: threading.Event) -> None:
        self.seconds = seconds
        self.halt = halt
        self.attempts = 0
        self._since = 0.0

    def wait(self, error: ServerError, least: float = 0.0) -> None:
        """Wait until the next attempt.

        Args:
            error: The failure.
            least: Seconds for which the server that is asked next wants to be left alone.

        Raises:
            ServerError: It has run out, or the others have given up.
        """
        now = time.monotonic()
        self._since = now if self.attempts == 0 else self._since
        self.attempts += 1
        waited = now - self._since
        if waited >= self.seconds or self.halt.is_set():
            raise ServerError(
                f"{error}. Asked {self.attempts} times in {waited:.0f} s, patience={self.seconds:g}. Start the server "
                "(docs/vllm.md has the command) and go on from the last checkpoint; with more patience a run waits for "
                "a server that comes back",
                error.status,
            ) from error
        delay = min(_LONGEST_DELAY, _FIRST_DELAY * 2 ** min(self.attempts - 1, 10))
        # Many requests fail at once; they should not come back at once.
        self.halt.wait(min(least + delay * _JITTER.uniform(0.5, 1.0), self.seconds - waited))
