"""Peak memory of what runs inside a context: of the GPU, or of this process."""

from __future__ import annotations

import threading
from types import TracebackType

import psutil
import torch


class PeakMemory:
    """Measures the peak of memory inside a context.

    On CUDA it is what torch has allocated on the device (`torch.cuda.max_memory_allocated`, whose peak is reset).
    Anywhere else it is the resident set of this process, looked at every 2 ms by a thread: shorter peaks are missed.

    Args:
        device: Where the work is done.

    Attributes:
        before: Bytes when the context was entered.
        peak: The most bytes seen inside.

    Example:
        >>> with PeakMemory(torch.device("cpu")) as memory:
        ...     rows = torch.ones(64, 2**20)
        >>> 200 < memory.above / 2**20 < 400
        True
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.before = 0
        self.peak = 0
        self._done = threading.Event()
        self._watch = threading.Thread(target=self._look, daemon=True)

    @property
    def above(self) -> int:
        """Bytes of the peak above what was there before."""
        return self.peak - self.before

    def __enter__(self) -> PeakMemory:
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)
            self.before = self.peak = torch.cuda.memory_allocated(self.device)
        else:
            self.before = self.peak = psutil.Process().memory_info().rss
            self._watch.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.device.type == "cuda":
            self.peak = torch.cuda.max_memory_allocated(self.device)
        else:
            self._done.set()
            self._watch.join()

    def _look(self) -> None:
        process = psutil.Process()
        ended = False
        while not ended:
            ended = self._done.wait(0.002)
            self.peak = max(self.peak, process.memory_info().rss)
