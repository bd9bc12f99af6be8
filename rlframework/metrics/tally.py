"""Tally of training metrics: sums that turn into means once, over a whole optimizer step and all ranks."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor

from rlframework.utilities.distributed import max_over_replicas, sum_over_replicas


class Tally:
    """Collects the numerators and denominators of metrics by name, so that no mean is one of means.

    Example:
        >>> tally = Tally()
        >>> tally.mean("entropy", torch.tensor([1.0, 2.0, 9.0]), torch.tensor([True, True, False]))
        >>> tally.mean("entropy", torch.tensor([6.0]), torch.tensor([True]))
        >>> tally.sum("surrogate", torch.tensor(0.5))
        >>> tally.max("ratio", torch.tensor([1.5, 0.5]))
        >>> tally.values()
        {'entropy': 3.0, 'surrogate': 0.5, 'ratio': 1.5}
    """

    def __init__(self) -> None:
        self._totals: dict[str, Tensor] = {}
        self._counts: dict[str, Tensor] = {}
        self._sums: set[str] = set()
        self._highest: dict[str, Tensor] = {}

    def mean(self, name: str, values: Tensor, mask: Tensor | None = None) -> None:
        """Add values to a mean; where a mask of the same shape is false, they do not count. Nor do NaN values.

        Args:
            name: Of the mean.
            values: Of any shape.
            mask: Bool, of the same shape; None counts all.
        """
        kept = ~values.isnan() if mask is None else mask & ~values.isnan()
        self._add(name, values.detach().float().masked_fill(~kept, 0.0).sum(), kept.sum())

    def sum(self, name: str, total: Tensor) -> None:
        """Add a scalar to a sum over the step.

        Args:
            name: Of the sum.
            total: Scalar to add.
        """
        self._sums.add(name)
        self._add(name, total.detach().float(), torch.zeros((), device=total.device))

    def max(self, name: str, values: Tensor, mask: Tensor | None = None) -> None:
        """Add values to a maximum; where a mask of the same shape is false, they do not count. Nor do NaN values.

        Args:
            name: Of the maximum.
            values: Of any shape.
            mask: Bool, of the same shape; None counts all.
        """
        kept = ~values.isnan() if mask is None else mask & ~values.isnan()
        nothing = torch.full((1,), -torch.inf, device=values.device)
        highest = torch.cat([values.detach().float()[kept], nothing]).max()
        self._highest[name] = torch.maximum(self._highest[name], highest) if name in self._highest else highest

    def _add(self, name: str, total: Tensor, count: Tensor) -> None:
        known = name in self._totals
        self._totals[name] = self._totals[name] + total if known else total
        self._counts[name] = self._counts[name] + count.float() if known else count.float()

    def state_dict(self) -> dict[str, Any]:
        """Return the sums of this rank so far, for a checkpoint."""
        return {
            "totals": dict(self._totals),
            "counts": dict(self._counts),
            "sums": sorted(self._sums),
            "highest": dict(self._highest),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the sums that `state_dict` returned."""
        self._totals, self._counts = dict(state["totals"]), dict(state["counts"])
        self._sums, self._highest = set(state["sums"]), dict(state["highest"])

    def values(self, trainer: pl.Trainer | None = None) -> dict[str, float]:
        """Return every mean, sum and maximum, over all ranks of a trainer. Of nothing, mean and maximum are NaN."""
        return {**self._means_and_sums(trainer), **self._maxima(trainer)}

    def _maxima(self, trainer: pl.Trainer | None) -> dict[str, float]:
        if not self._highest:
            return {}
        highest = torch.stack(list(self._highest.values()))
        if trainer is not None:
            highest = max_over_replicas(trainer, highest)
        values = [number if number > -math.inf else math.nan for number in highest.tolist()]
        return dict(zip(self._highest, values, strict=True))

    def _means_and_sums(self, trainer: pl.Trainer | None) -> dict[str, float]:
        if not self._totals:
            return {}
        # Rewards come from the CPU and losses from the accelerator; going there waits for nothing, coming back would.
        places = [total.device for total in self._totals.values()]
        device = next((place for place in places if place.type != "cpu"), places[0])
        rows = [torch.stack([self._totals[name].to(device), self._counts[name].to(device)]) for name in self._totals]
        pairs = torch.stack(rows)
        if trainer is not None:
            pairs = sum_over_replicas(trainer, pairs)
        results = {}
        for name, (total, count) in zip(self._totals, pairs.tolist(), strict=True):
            results[name] = total if name in self._sums else total / count if count else float("nan")
        return results
