"""Completions in the answer template, for the tests of the logic rewards."""

from __future__ import annotations

from typing import Any

from rlframework.completions import Completion, Completions, StopReason
from rlframework.prompt import Prompt
from rlframework.rewards.verified import VerifiedReward


def verdicts(reward: VerifiedReward, row: dict[str, Any], *answers: str, stop_reason: StopReason = "stop") -> list[str]:
    """Return what a reward says of some answers to one row of data."""
    prompt = Prompt([1], "?", row=row, index=7)
    texts = [f"some working<end_working_out><SOLUTION>{answer}</SOLUTION>" for answer in answers]
    rows = [Completion(prompt, [2], text, stop_reason) for text in texts]
    return [str(verdict) for verdict in reward.verdicts(Completions(rows, len(rows)))[0]]


def verdict(reward: VerifiedReward, row: dict[str, Any], answer: str) -> str:
    """Return what a reward says of one answer."""
    return verdicts(reward, row, answer)[0]
