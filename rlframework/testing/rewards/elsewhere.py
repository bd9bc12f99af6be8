"""A reward in a fresh process, where a hang can be ended by killing it."""

from __future__ import annotations

import io
import pickle
import pickletools
from collections.abc import Iterator
from functools import cached_property
from importlib import import_module
from typing import Any, NamedTuple

from rlframework.completions import Completion, Completions
from rlframework.rewards.pool import CallResult, WorkerPool
from rlframework.testing.rewards.child import judge_pickled

START_LIMIT_S = 120.0


class Parcel(NamedTuple):
    """A reward as bytes.

    Args:
        content: The reward, pickled.
        by_value: Whether its code is in there, too, since another process could not import it.
        reason: Why that was necessary.
    """

    content: bytes
    by_value: bool
    reason: str


def pack(source: Any) -> Parcel:
    """Return a reward as bytes for another process.

    What is defined in a script, a notebook or a function cannot be imported by name. It is sent as a copy of its code.

    Raises:
        Exception: It holds something that cannot be sent at all, such as a lock or a socket.
    """
    try:
        content = pickle.dumps(source)
    except (pickle.PicklingError, AttributeError):
        reason = "no module has it at its top"
    else:
        if "__main__" not in set(_strings(content)):
            return Parcel(content, by_value=False, reason="")
        reason = "it is defined in the script that runs"
    buffer = io.BytesIO()
    # dill is there: the datasets library cannot do without it.
    import_module("dill").dump(source, buffer, recurse=True)
    return Parcel(buffer.getvalue(), by_value=True, reason=reason)


def _strings(content: bytes) -> Iterator[Any]:
    for _, argument, _ in pickletools.genops(content):
        yield from str(argument).split() if isinstance(argument, str) else ()


class Elsewhere:
    """Scores in another process, started when it is first needed.

    Args:
        source: The reward, its class, or a plain function.
    """

    def __init__(self, source: Any) -> None:
        self.source = source
        self.pool = WorkerPool(judge_pickled, workers=1, limit_s=START_LIMIT_S)

    @cached_property
    def parcel(self) -> Parcel:
        """The reward as bytes; raises what pickling raises."""
        return pack(self.source)

    @property
    def reachable(self) -> bool:
        """Whether the reward can be sent there at all."""
        try:
            return bool(self.parcel.content)
        except Exception:
            return False

    def judge(self, completions: Completions) -> CallResult:
        """Return the outcome of judging a batch, whose value is a `rlframework.testing.rewards.child.Judged`."""
        return self._call(completions, START_LIMIT_S)

    def judge_alone(self, completion: Completion, limit_s: float) -> CallResult:
        """Return the outcome for one completion; the process is killed if it takes much longer than ``limit_s``."""
        # A pool of the reward's own has to have the time to end its hanging worker itself.
        return self._call(Completions([completion], 1), 2 * limit_s + 1)

    def _call(self, completions: Completions, limit_s: float) -> CallResult:
        self.pool.limit_s = limit_s
        content, by_value, _ = self.parcel
        return self.pool.map([(content, by_value, completions)])[0]

    def close(self) -> None:
        """End the process."""
        self.pool.close()
