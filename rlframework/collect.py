"""Old names of `Rollout.of` and `RolloutRecord`, kept for version 0.1."""

from rlframework.completions import Completions
from rlframework.loop.callback import RolloutRecord as Collected
from rlframework.rewards.base import Scores
from rlframework.rollout import Rollout

__all__ = ["Collected", "assemble"]


def assemble(completions: Completions, scores: Scores, pad_id: int, temperature: float) -> Rollout:
    """Return ``Rollout.of(completions, scores.total, pad_id=pad_id, temperature=temperature)``."""
    return Rollout.of(completions, scores.total, pad_id=pad_id, temperature=temperature)
