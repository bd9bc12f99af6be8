"""Runs that are to go wrong, and what is said of them."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import torch

from rlframework.completions import Completion, Completions
from rlframework.rewards.base import RewardModel, RowReward


def said(sentinel: Any, run: Callable[[], Any]) -> list[str]:
    """Return the warnings of a sentinel in a run."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        run()
    lines = [str(line.message) for line in caught]
    return [line for line in lines if line.startswith(type(sentinel).__name__)]


class FromMiddle(RowReward):
    """1 if the first letter is from the second half of the alphabet: the opposite of `EarlyLetter`."""

    def score_row(self, completion: Completion) -> float:
        return float(completion.text[:1] >= "n")


class EarlyLetter(RowReward):
    def score_row(self, completion: Completion) -> float:
        return float("a" <= completion.text[:1] <= "m")


class Vowels(RowReward):
    def score_row(self, completion: Completion) -> float:
        return sum(letter in "aeiou" for letter in completion.text) / max(len(completion.text), 1)


class OfPrompt(RewardModel):
    """The same for a whole group; one group in ten has the two ends of the range instead."""

    def score(self, completions: Completions) -> torch.Tensor:
        scores = torch.zeros(completions.num_groups, completions.group_size)
        scores[torch.arange(completions.num_groups) % 10 == 0, 0] = 1.0
        return scores
