"""The fresh process of the proof kit: it makes the reward once, and judges the completions that it is sent."""

from __future__ import annotations

import pickle
import time
from functools import lru_cache
from importlib import import_module
from typing import NamedTuple

from rlframework.completions import Completions
from rlframework.rewards.base import RewardModel
from rlframework.rewards.function import as_reward


class Judged(NamedTuple):
    """The scores of a reward in another process.

    Args:
        scores: ``B`` totals; NaN abstains.
        seconds: How long it took.
        failures: The rows on which its check failed, and why.
    """

    scores: list[float]
    seconds: float
    failures: list[tuple[int, str]]


def judge_pickled(content: bytes, by_value: bool, completions: Completions) -> Judged:
    """Return the scores of a pickled reward.

    Args:
        content: The reward, its class, or a plain function.
        by_value: Whether the code is in the pickle.
        completions: What is judged.
    """
    reward = _reward(content, by_value)
    started = time.perf_counter()
    scores = reward.evaluate(completions)
    seconds = time.perf_counter() - started
    return Judged(scores.total.flatten().tolist(), seconds, scores.failures())


@lru_cache(maxsize=1)
def _reward(content: bytes, by_value: bool) -> RewardModel:
    # The bytes come from the kit itself, in the process that started this one.
    return as_reward(import_module("dill").loads(content) if by_value else pickle.loads(content))  # noqa: S301
