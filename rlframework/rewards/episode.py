"""Reward of an episode: the sum of what the environment paid for its turns."""

from __future__ import annotations

from rlframework.completions import Completion
from rlframework.rewards.base import RowReward


class EpisodeReturn(RowReward):
    """Pays the return of an episode: the sum of the rewards of its steps.

    A step counts also where the policy never read the answer to it.

    Args:
        name: Name of the component in logs.

    Raises:
        ValueError: A completion is no episode.

    Example:
        >>> from rlframework.prompt import Prompt
        >>> from rlframework.turns import Turn
        >>> turns = [Turn(0, 1, "policy", "4"), Turn(1, 2, "environment", "no"), Turn(2, 3, "policy", "7", reward=1.0)]
        >>> EpisodeReturn().score_row(Completion(Prompt([1], "?"), [4, 5, 7], "7", "environment", turns=turns))
        1.0
    """

    def score_row(self, completion: Completion) -> float:
        """Return the sum of what the turns of an episode were paid."""
        if not completion.turns:
            raise ValueError(
                f"{self.name!r} adds up what an environment paid for the turns of an episode, and a completion of "
                f"prompt {completion.prompt.index} has no turns: sample with EpisodeSampler(sampler, environment)"
            )
        return sum(turn.reward for turn in completion.turns)
