"""Sentinel of length drift: completions become longer or shorter, and the reward does not rise with it."""

from __future__ import annotations

from statistics import fmean

from rlframework.callbacks.sentinels.base import Action, Sentinel
from rlframework.callbacks.sentinels.trend import rise_in_errors
from rlframework.loop.callback import RolloutRecord
from rlframework.metrics.tally import Tally


class LengthDrift(Sentinel):
    """Finds that the length of completions has changed by a factor since the reward last rose.

    Length that brings reward is what a policy is to learn. So the comparison is with the rollouts since which the mean
    reward has not risen by two standard errors, however long ago they are; whenever it has, they are taken again.

    Args:
        factor: By which the mean length has grown or shrunk.
        rollouts: Rollouts that a mean is of.
        action: As of `Sentinel`.

    Example:
        >>> from rlframework.callbacks.sentinels import LengthDrift
        >>> sentinel = LengthDrift(rollouts=2)
        >>> lengths = [20.0, 20.0, 25.0, 30.0, 32.0]
        >>> [sentinel.look({"train/completion_length": length, "reward": 1.0}) for length in lengths][-1]
        'completions have grown from 20 to 31 tokens, and the reward has not risen with them: it was 1 and is 1'
    """

    needs = ("train/completion_length", "reward")
    causes = (
        "a reward that can be had by length (anything found anywhere in the text, points for each step), or by brevity "
        "(an answer that is right by chance as often); the mean over tokens of each completion, which makes long wrong "
        "answers cheap (GRPO; Dr. GRPO and DAPO do not)"
    )
    way_out = (
        "read short and long completions beside their rewards (RolloutWriter); pay less for length (SoftOverlong), or "
        "take an algorithm whose token_weights do not depend on the completion's own length"
    )

    def __init__(self, factor: float = 1.5, rollouts: int = 10, action: Action = "warn") -> None:
        super().__init__(action)
        if factor <= 1 or rollouts < 2:
            raise ValueError(
                f"LengthDrift got factor={factor} and rollouts={rollouts}; give a factor above 1 and at least two "
                "rollouts"
            )
        self.factor = factor
        self.rollouts = rollouts

    def measure(self, tally: Tally, record: RolloutRecord) -> None:
        """Add the mean reward."""
        tally.mean("reward", record.scores.total)

    def look(self, figures: dict[str, float]) -> str | None:
        """Return length and reward then and now, if the one has changed without the other."""
        now = (figures["train/completion_length"], figures["reward"])
        latest = self.memory["latest"] = [*self.memory.get("latest", []), now][-self.rollouts :]
        if len(latest) < self.rollouts:
            return None
        (lengths, rewards), (old_lengths, old_rewards) = (
            list(zip(*stretch, strict=True)) for stretch in (latest, self.memory.get("since", latest))
        )
        if "since" not in self.memory or rise_in_errors(old_rewards, rewards) >= 2:
            self.memory["since"] = latest
            return None
        before, after = fmean(old_lengths), fmean(lengths)
        if max(after / before, before / after) < self.factor:
            return None
        return (
            f"completions have {'grown' if after > before else 'shrunk'} from {before:.3g} to {after:.3g} tokens, and "
            f"the reward has not risen with them: it was {fmean(old_rewards):.3g} and is {fmean(rewards):.3g}"
        )
