"""Reward of an episode: the sum of what the environment paid for its turns."""

from __future__ import annotations

from rlframework.completions import Completion
from rlframework.rewards.base import RowReward


class EpisodeReturn(RowReward):
    """Pays the return of an episode: the sum of the rewards of its steps.

    A completion that is no episode abstains. A step counts also where the policy never read the answer to it.

    Args:
        name: Name of the component in logs.

    Example:
        >>> from rlframework.prompt import Prompt
        >>> from rlframework.turns import Turn
        >>> turns = [Turn(0, 1, "policy", "4"), Turn(1, 2, "environment", "no"), Turn(2, 3, "policy", "7", reward=1.0)]
        >>> EpisodeReturn().score_row(Completion(Prompt([1], "?"), [4, 5, 7], "7", "environment", turns=turns))
        1.0
    """

    def score_row(self, completion: Completion) -> float | None:
        """Return the sum, or None where there are no turns."""
        return sum(turn.reward for turn in completion.turns) if completion.turns else None
