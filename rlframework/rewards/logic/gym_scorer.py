"""Calls a scorer of reasoning-gym, in a worker process."""

from __future__ import annotations

import contextlib
import copy
import io
import json
from functools import cache
from typing import Any

from rlframework.utilities.imports import require

# At the top: a worker imports it before its first call, whose time limit it would eat up otherwise.
factory = require("reasoning_gym.factory", "logic")


def gym_score(task: str, config: str, answer: str, entry: dict[str, Any]) -> float:
    """Return what a task's scorer says of an answer.

    Args:
        task: Name of the data set.
        config: Its arguments as JSON.
        answer: What was answered.
        entry: The item, with its metadata.

    Raises:
        TypeError: The scorer returned no number.

    Example:
        >>> gym_score("chain_sum", "{}", "7", {"question": "3 + 4 = ?", "answer": "7", "metadata": {}})
        1.0
    """
    with contextlib.redirect_stdout(io.StringIO()):
        # A copy, because some scorers write into the item.
        result = dataset(task, config).score_answer(answer, copy.deepcopy(entry))
    if isinstance(result, bool) or not isinstance(result, (int, float)):
        raise TypeError(f"the scorer of {task} returned {result!r}, which is no number")
    return float(result)


@cache
def dataset(task: str, config: str) -> Any:
    """Return a data set of one item; its scorer needs no other."""
    return factory.create_dataset(task, size=1, seed=0, **json.loads(config))
