"""Base of the torchmetrics metrics that are made of the scores of a reward."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric

from rlframework.completions import Completions
from rlframework.rewards.base import RewardModel, Scores
from rlframework.rewards.failure_limits import Counts
from rlframework.utilities.arguments import Checked


class ScoreMetric(Checked, Metric, ABC):
    """A metric over scored completions. Override `add` and `compute`, and declare states in ``__init__``.

    An algorithm takes it in ``validation``, in place of a reward.

    Args:
        reward: The reward.
        samples: Completions of a prompt that it needs.

    Attributes:
        scores: Of the completions that were added last.

    Example:
        >>> from rlframework.rewards import CorrectAnswer
        >>> class Best(ScoreMetric):
        ...     def __init__(self, reward):
        ...         super().__init__(reward)
        ...         self.add_state("best", torch.tensor(-torch.inf), dist_reduce_fx="max")
        ...     def add(self, completions, scores):
        ...         self.best = torch.maximum(self.best, scores.max())
        ...     def compute(self):
        ...         return self.best
        >>> Best(CorrectAnswer()).compute()
        tensor(-inf)
    """

    failures: Tensor
    full_state_update = False

    def __init__(self, reward: RewardModel, samples: int = 1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.reward = reward
        self.samples = samples
        self.scores: Scores | None = None
        # By component: the failures of one are no smaller a share because others stand next to it.
        self.names = [part.name for part in reward.components()]
        self.add_state("failures", torch.zeros(len(self.names), 5, dtype=torch.int64), dist_reduce_fx="sum")
        self.details = dict.fromkeys(self.names, "")

    def _apply(self, fn: Callable[[Tensor], Tensor], exclude_state: Any = "") -> ScoreMetric:
        """Follow the module to a device, and not to its precision: bfloat16 counts to 256."""
        dtypes = {name: default.dtype for name, default in self._defaults.items() if isinstance(default, Tensor)}
        super()._apply(fn, exclude_state)
        for name, dtype in dtypes.items():
            setattr(self, name, getattr(self, name).to(dtype))
            default = self._defaults[name]
            self._defaults[name] = default.to(dtype) if isinstance(default, Tensor) else default
        return self

    def update(self, completions: Completions, scores: Scores | None = None) -> None:
        """Add some completions.

        Args:
            completions: ``N`` groups of ``G``.
            scores: What the reward said of them, where that is known; else it is asked.
        """
        self.scores = scores = self.reward.evaluate(completions) if scores is None else scores
        self.add(completions, scores.total.to(self.device))
        for place, name in enumerate(self.names):
            counts = Counts.of(scores.judgements[name])
            self.failures[place] += torch.tensor(counts.numbers, device=self.device)
            self.details[name] = self.details[name] or counts.detail

    @abstractmethod
    def add(self, completions: Completions, scores: Tensor) -> None:
        """Add the scores of some completions to the states.

        Args:
            completions: ``N`` groups of ``G``.
            scores: ``(N, G)`` total; NaN abstains.
        """

    def counts(self, total: Callable[[Tensor], Tensor]) -> dict[str, Counts]:
        """Return the number of checks since the last reset, and of those that failed, by component.

        Args:
            total: Adds up a tensor over all ranks.
        """
        numbers = total(self.failures).tolist()
        return {name: Counts.of_numbers(own, self.details[name]) for name, own in zip(self.names, numbers, strict=True)}

    def shares(self, scores: Tensor) -> tuple[Tensor, Tensor]:
        """Return right and judged completions of each prompt, ``(N,)`` int64 each.

        Args:
            scores: ``(N, G)``.

        Raises:
            ValueError: A score is neither 0 nor 1.
        """
        judged = ~scores.isnan()
        if not ((scores[judged] == 0) | (scores[judged] == 1)).all():
            raise ValueError(
                f"{type(self).__name__} counts right answers, and reward {self.reward.name!r} gave scores other than 0 "
                "and 1; measure with one such as CorrectAnswer()"
            )
        return (scores == 1).sum(1), judged.sum(1)


def update_all(metrics: Iterable[ScoreMetric], completions: Completions) -> None:
    """Add completions to several metrics; a reward that some of them share judges once.

    Args:
        metrics: The metrics.
        completions: ``N`` groups of ``G``.
    """
    known: dict[int, Scores] = {}
    for metric in metrics:
        key = id(metric.reward)
        known[key] = known[key] if key in known else metric.reward.evaluate(completions)
        metric.update(completions, known[key])
