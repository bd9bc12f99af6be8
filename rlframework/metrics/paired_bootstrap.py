"""The difference of two policies on the same prompts, with its interval, as a torchmetrics metric."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

from rlframework.functional.confidence import Difference, paired_bootstrap


class PairedBootstrap(Metric):
    """Difference of two policies on the same prompts, with its 95 % interval, by a paired bootstrap.

    See `rlframework.functional.confidence.paired_bootstrap`. Of several completions of a prompt the mean counts; a
    prompt on which a policy was never judged is left out. Two ranks may each add the prompts that they have.

    Args:
        resamples: Bootstrap samples.
        seed: Of the samples.

    Example:
        >>> difference = PairedBootstrap()
        >>> before, after = torch.zeros(64, 1), (torch.arange(64) % 2).float().view(-1, 1)
        >>> difference.update(before, after)
        >>> [round(float(value), 2) for value in difference.compute()]
        [0.5, 0.38, 0.62, 0.0]
    """

    differences: list[Tensor]
    full_state_update = False

    def __init__(self, resamples: int = 10_000, seed: int = 0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.resamples = resamples
        self.seed = seed
        self.add_state("differences", [], dist_reduce_fx="cat")

    def update(self, first: Tensor, second: Tensor) -> None:
        """Add the scores of both on some prompts.

        Args:
            first: ``(N, G)`` scores of the first policy; NaN abstains.
            second: ``(N, H)`` scores of the second on the same prompts, in the same order.

        Raises:
            ValueError: The numbers of prompts differ.
        """
        if len(first) != len(second):
            raise ValueError(f"the first policy answered {len(first)} prompts and the second {len(second)}; pair them")
        found = second.float().nanmean(1) - first.float().nanmean(1)
        self.differences.append(found[~found.isnan()].to(self.device))

    def compute(self) -> Difference:
        """Return mean, 95 % interval and p-value over all prompts of all ranks, whatever their order.

        Raises:
            ValueError: There are no prompts.
        """
        # A list on one process, and a tensor where it was gathered from several.
        differences = dim_zero_cat(self.differences) if len(self.differences) else torch.zeros(0)
        return paired_bootstrap(differences, self.resamples, self.seed)
