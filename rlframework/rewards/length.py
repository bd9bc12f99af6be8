"""Rewards for the length of a completion."""

from __future__ import annotations

from rlframework.completions import Completion
from rlframework.rewards.base import RowReward


class SoftOverlong(RowReward):
    """Punishes completions that come near the token budget, the more the nearer: 0 down to -1.

    ``0`` up to ``max_tokens - margin`` tokens, from there ``(max_tokens - margin - n) / margin``, and -1 beyond
    ``max_tokens``. Of an episode, ``n`` counts what the policy sampled. DAPO (arXiv:2503.14476), TRL's
    ``get_soft_overlong_punishment``.

    Args:
        max_tokens: Length at which the punishment is full.
        margin: Tokens before it over which the punishment grows.
        name: Name of the component in logs.

    Raises:
        ValueError: The margin is not within the budget.

    Example:
        >>> from rlframework.prompt import Prompt
        >>> reward = SoftOverlong(max_tokens=10, margin=4)
        >>> [reward.score_row(Completion(Prompt([1], "?"), [2] * n, "", "stop")) for n in (6, 8, 10)]
        [0.0, -0.5, -1.0]
    """

    def __init__(self, max_tokens: int, margin: int, name: str | None = None) -> None:
        super().__init__(name)
        if not 0 < margin <= max_tokens:
            raise ValueError(f"expected 0 < margin <= max_tokens, got margin={margin} and max_tokens={max_tokens}")
        self.max_tokens = max_tokens
        self.margin = margin

    def score_row(self, completion: Completion) -> float:
        """Return a number in [-1, 0]."""
        beyond = completion.sampled_tokens - (self.max_tokens - self.margin)
        return max(min(-beyond / self.margin, 0.0), -1.0)
