"""Fence around code of others that may use the global random numbers, on which a run's own draws would then depend."""

from __future__ import annotations

import random
from types import TracebackType
from typing import Any

import numpy as np
import torch
from pytorch_lightning.utilities.rank_zero import rank_zero_warn


class RandomFence:
    """Context that puts the global random numbers of Python, NumPy and torch back as they were, and says it once.

    Args:
        whose: Who is inside, for the message.

    Attributes:
        moved: Whose random numbers were used inside, the last time.

    Example:
        >>> import warnings
        >>> before = random.getstate()
        >>> with warnings.catch_warnings(record=True) as said:
        ...     with RandomFence("Dice"):
        ...         _ = random.random()
        >>> random.getstate() == before, str(said[0].message)[:45]
        (True, 'Dice used the global random numbers of Python')
    """

    def __init__(self, whose: str) -> None:
        self._whose = whose
        self._told = False
        self.moved: list[str] = []

    def __enter__(self) -> None:
        self._before = random.getstate(), np.random.get_state(legacy=False), torch.get_rng_state()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        python, numpy, of_torch = self._before
        moved = {
            "Python": random.getstate() != python,
            "NumPy": not _same(np.random.get_state(legacy=False), numpy),
            "torch": not torch.equal(torch.get_rng_state(), of_torch),
        }
        random.setstate(python)
        np.random.set_state(numpy)
        torch.set_rng_state(of_torch)
        self.moved = [whose for whose, used in moved.items() if used]
        if self.moved and not self._told:
            self._told = True
            rank_zero_warn(
                f"{self._whose} used the global random numbers of {' and '.join(self.moved)}. "
                "They were put back, so that the run does not depend on it, but what it drew is not repeated by a "
                "resumed run: give it a generator of its own, such as the luck that Environment.start gets"
            )


def _same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Return whether two states of NumPy's generator are equal; the key of the default one has 624 words."""
    keys = np.array_equal(one["state"]["key"], other["state"]["key"])
    rest = [{**state, "state": {**state["state"], "key": None}} for state in (one, other)]
    return keys and rest[0] == rest[1]
