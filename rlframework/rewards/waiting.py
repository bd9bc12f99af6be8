"""Waiting for rewards and samplers so that SIGTERM ends it within a moment."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SLICE_S = 0.1
_unstoppable = False


@contextmanager
def unstoppable() -> Iterator[None]:
    """Have `stoppable` change nothing inside: where one rank must not leave the others, who call it."""
    global _unstoppable
    before, _unstoppable = _unstoppable, True
    try:
        yield
    finally:
        _unstoppable = before


@contextmanager
def stoppable() -> Iterator[None]:
    """Let SIGTERM end what is inside at once, where a handler would only take note of it until the step is over.

    Lightning's handler sets a flag that is read between two batches, so that a call that hangs is never left. Here the
    former handler is called, and then what Lightning raises for the flag is raised. Where SIGTERM ends the process
    anyway, or in another thread, nothing changes.

    Raises:
        SIGTERMException: The signal came.
    """
    before = signal.getsignal(signal.SIGTERM)
    if _unstoppable or not callable(before) or threading.current_thread() is not threading.main_thread():
        yield
        return

    def answer(number: int, frame: FrameType | None) -> None:
        from pytorch_lightning.utilities.exceptions import SIGTERMException

        before(number, frame)
        raise SIGTERMException(128 + number)

    signal.signal(signal.SIGTERM, answer)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
