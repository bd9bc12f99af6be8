"""Sentinel of gradient norm spikes: one step's gradient is many times as large as those before."""

from __future__ import annotations

from statistics import quantiles

from rlframework.callbacks.sentinels.base import Action, Sentinel


class GradientSpike(Sentinel):
    """Finds a gradient norm, before clipping, far above those of the latest steps.

    Norms differ from step to step by nature: a rollout with one group to learn from has a small one, a rollout with
    many a larger one. So a spike is held against the largest of them but for the top tenth, and those of 0, of steps
    that had nothing to learn from, do not count.

    Args:
        factor: Times the 90th percentile of the steps before.
        steps: Latest steps that are compared with; nothing is said before there are half as many.
        action: As of `Sentinel`.

    Example:
        >>> from rlframework.callbacks.sentinels import GradientSpike
        >>> sentinel = GradientSpike(steps=4)
        >>> [sentinel.look({"train/grad_norm": norm}) for norm in (1.0, 1.2, 0.8, 40.0)][-1]
        'the gradient norm is 40, 34.5 times the 90th percentile of the last 3 steps (1.16)'
    """

    needs = ("train/grad_norm",)
    causes = (
        "a reward far out of its usual range; old log-probabilities that are not the policy's (a stale or rounding "
        "sampler); a completion of very unlikely tokens; a learning rate that is too high"
    )
    way_out = (
        "look at the rollout of this step (RolloutWriter) and at train/sampler_gap_max; clip the gradient "
        "(gradient_clip_val=1.0), cap the ratio (ratio_cap), lower the learning rate"
    )

    def __init__(self, factor: float = 5.0, steps: int = 50, action: Action = "warn") -> None:
        super().__init__(action)
        if factor <= 1 or steps < 4:
            raise ValueError(
                f"GradientSpike got factor={factor} and steps={steps}; give a factor above 1 and at least four steps"
            )
        self.factor = factor
        self.steps = steps

    def look(self, figures: dict[str, float]) -> str | None:
        """Return the norm and what it is held against, if it is a spike."""
        norm, before = figures["train/grad_norm"], self.memory.get("norms", [])
        self.memory["norms"] = ([*before, norm] if norm > 0 else before)[-self.steps :]
        if len(before) < max(2, self.steps // 2):
            return None
        usual = quantiles(before, n=10, method="inclusive")[-1]
        if norm <= self.factor * usual:
            return None
        return (
            f"the gradient norm is {norm:.3g}, {norm / usual:.3g} times the 90th percentile "
            f"of the last {len(before)} steps ({usual:.3g})"
        )
