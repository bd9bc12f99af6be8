"""CPU seconds and peak memory of this process so far, for ``summary.json``."""

from __future__ import annotations

import resource
import sys


def process_usage() -> dict[str, float]:
    """Return ``cpu_seconds`` and ``peak_mib`` of this process since it started, over all its threads.

    The peak is that of the resident memory, as the operating system counts it. The CPU time of children that have ended
    is added; their memory is not.

    Example:
        >>> usage = process_usage()
        >>> usage["cpu_seconds"] > 0, usage["peak_mib"] > 10
        (True, True)
    """
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = sum(part.ru_utime + part.ru_stime for part in (own, children))
    # Bytes on macOS, KiB elsewhere.
    return {"cpu_seconds": seconds, "peak_mib": own.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)}
