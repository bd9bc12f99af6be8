"""Sentinel of parse failures: too many completions in which a reward finds no answer to look at."""

from __future__ import annotations

import math

from rlframework.callbacks.sentinels.base import Action
from rlframework.callbacks.sentinels.share import ShareSentinel


class ParseFailures(ShareSentinel):
    """Finds that a reward reads no answer in more completions than a limit, and that this does not get better.

    Rewards that read answers log the share as ``train/judgement/<name>/malformed``: those with verdicts (`MathCheck`,
    `CodeTests`, the logic rewards), `AnswerCheck` and `CorrectAnswer`. One of your own does so with
    ``Judgement(..., metrics={"malformed": flags})``. Of several the one with the largest share counts.

    Args:
        limit: Share of the completions.
        rollouts: As of `ShareSentinel`.
        action: As of `Sentinel`.

    Example:
        >>> from rlframework.callbacks.sentinels import ParseFailures
        >>> sentinel = ParseFailures(rollouts=2)
        >>> figures = {"train/truncated": 0.0, "train/judgement/math/malformed": 0.9}
        >>> [sentinel.look(figures) for _ in range(2)][-1]
        '90% of the completions hold no answer that the reward can read, in each of the last 2 rollouts (limit 50%)'
    """

    # Those of a rollout are new when this one is.
    needs = ("train/truncated",)
    causes = (
        "the prompt does not ask for the layout that the reward reads, or its template is another one; the policy "
        "never writes that layout, so that no reward can teach it; answers are cut by the token budget"
    )
    way_out = (
        "read some completions (RolloutWriter) beside what the reward looks for (rlframework reward-report); give data "
        "and rewards the same template, prime the policy with SFT on a few demonstrations, or add a reward for parts "
        "of the layout (ApproximateFormat)"
    )

    def __init__(self, limit: float = 0.5, rollouts: int = 10, action: Action = "warn") -> None:
        super().__init__(limit, rollouts, action)

    def share(self, figures: dict[str, float]) -> float:
        """Return the largest share of malformed answers among the rewards that tell; 0 if none does."""
        told = [value for name, value in figures.items() if name.endswith("/malformed")]
        return max((value for value in told if not math.isnan(value)), default=0.0)

    def words(self, share: float) -> str:
        """Say how many have no answer."""
        return f"{share:.0%} of the completions hold no answer that the reward can read"
