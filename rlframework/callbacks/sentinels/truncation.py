"""Sentinel of truncation: the token budget ends too many completions."""

from __future__ import annotations

from rlframework.callbacks.sentinels.base import Action
from rlframework.callbacks.sentinels.share import ShareSentinel


class Truncation(ShareSentinel):
    """Finds that the token budget ends more completions than a limit, and that this does not get better.

    Args:
        limit: Share of the completions. At half of them most rewards are of answers that were never finished.
        rollouts: As of `ShareSentinel`.
        action: As of `Sentinel`.

    Example:
        >>> from rlframework.callbacks.sentinels import Truncation
        >>> sentinel = Truncation(limit=0.3, rollouts=2)
        >>> [sentinel.look({"train/truncated": share}) for share in (0.5, 0.5)]
        [None, '50% of the completions were cut by the token budget, in each of the last 2 rollouts (limit 30%)']
    """

    needs = ("train/truncated",)
    causes = (
        "max_tokens is too small for the task; the policy has learned to go on, as the reward pays for length or for "
        "whatever is somewhere in the text; the end token is not among those that the policy was taught"
    )
    way_out = (
        "read some that were cut (RolloutWriter). If they were on their way raise max_tokens of the sampler; if they "
        "go in circles pay less for length (SoftOverlong), or leave them out (mask_truncated=True)"
    )

    def __init__(self, limit: float = 0.5, rollouts: int = 10, action: Action = "warn") -> None:
        super().__init__(limit, rollouts, action)

    def share(self, figures: dict[str, float]) -> float:
        """Return the share of the completions that the token budget ended."""
        return figures["train/truncated"]

    def words(self, share: float) -> str:
        """Return the share of truncated completions, in words."""
        return f"{share:.0%} of the completions were cut by the token budget"
