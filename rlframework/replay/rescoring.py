"""`rescore`, what another reward would have done to a past run: changed sides, groups without spread."""

from __future__ import annotations

import math
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from pathlib import Path

import torch
from torch import Tensor
from torchmetrics.functional import spearman_corrcoef

from rlframework.completions import Completion, Completions
from rlframework.functional.advantages import group_normalized, group_spread
from rlframework.replay.stored import Record, completion_of, stored_rollouts
from rlframework.rewards.base import RewardModel, full_name
from rlframework.runs import RunFolder
from rlframework.utilities.errors import described

Sides = Counter[tuple[str, str]]
"""How many completions were on one side before and are on another now."""


@dataclass(frozen=True)
class Rescored:
    """A completion with its reward on record and the other one; NaN where one abstained.

    Args:
        rollout: Number of the rollout.
        completion: As it was sampled.
        before: The reward that the run had.
        now: The other reward.
        advantage_before: Normalised within the group, as GRPO does.
        advantage_now: Likewise.
    """

    rollout: int
    completion: Completion
    before: float
    now: float
    advantage_before: float
    advantage_now: float

    @property
    def change(self) -> float:
        """By how much more it would have been pushed up."""
        return self.advantage_now - self.advantage_before


@dataclass(frozen=True)
class Rescoring:
    """A past run under another reward. Its weights would have gone elsewhere: this holds for the completions it had.

    Args:
        reward: The other reward in words.
        rows: Every completion, rollout by rollout, group by group.
        group_size: Completions of a prompt.
        failures: Rows whose check failed, each with the reason.
    """

    reward: str
    rows: list[Rescored]
    group_size: int
    failures: list[tuple[int, str]]

    @property
    def before(self) -> Tensor:
        """``(N, G)`` rewards on record."""
        return self._groups([row.before for row in self.rows])

    @property
    def now(self) -> Tensor:
        """``(N, G)`` rewards of the other."""
        return self._groups([row.now for row in self.rows])

    def _groups(self, values: Sequence[float]) -> Tensor:
        return torch.tensor(values, dtype=torch.float64).view(-1, self.group_size)

    def paid(self, above: float = 0.0) -> Sides:
        """Count completions by whether they were paid, and whether they would be.

        Args:
            above: A reward above it pays.
        """
        return Counter((_paid(row.before, above), _paid(row.now, above)) for row in self.rows)

    def pushed(self) -> Sides:
        """Count completions by the way that their advantage has pushed the policy, and would push it."""
        return Counter((_way(row.before, row.advantage_before), _way(row.now, row.advantage_now)) for row in self.rows)

    def spread(self) -> Sides:
        """Count groups by whether their rewards differed, and would differ; equal ones teach nothing."""
        before, now = (group_spread(rewards) > 0 for rewards in (self.before, self.now))
        words = {True: "spread", False: "none"}
        return Counter((words[a], words[b]) for a, b in zip(before.tolist(), now.tolist(), strict=True))

    def correlation(self, advantages: bool = True) -> float:
        """Return Spearman's rank correlation of advantages, or of rewards, where both are known; NaN of a constant.

        Args:
            advantages: Of advantages, within their groups; False takes the rewards themselves.
        """
        known = [row for row in self.rows if not math.isnan(row.before + row.now)]
        names = ("advantage_before", "advantage_now") if advantages else ("before", "now")
        pairs = [torch.tensor([getattr(row, name) for row in known], dtype=torch.float64) for name in names]
        if any(len(values) < 2 or values.min() == values.max() for values in pairs):
            return math.nan
        return float(spearman_corrcoef(*pairs))

    def most_changed(self, count: int) -> list[Rescored]:
        """Return the completions whose advantage changes most, the largest change first.

        Args:
            count: How many.
        """
        return sorted((row for row in self.rows if row.change), key=lambda row: -abs(row.change))[:count]


def rescore(run: str | Path, reward: RewardModel) -> Rescoring:
    """Score every completion of a past run by another reward.

    A reward sees whole rollouts, with their data rows, as it would in a run. The ids of prompts and the state that an
    environment was in are not on record.

    Args:
        run: Folder of the run, with the files of `RolloutWriter`.
        reward: The other reward.

    Raises:
        FileNotFoundError: There is no record of rollouts.
        ValueError: The record has no whole groups, or the reward raises an exception.
    """
    rows: list[Rescored] = []
    failures: list[tuple[int, str]] = []
    sizes: set[int] = set()
    stored = stored_rollouts(RunFolder(run).path)
    for number, records in stored.items():
        if number == max(stored):
            records = _whole_groups(number, records)
        size = _group_size(number, records)
        sizes.add(size)
        completions = Completions([completion_of(record) for record in records], size)
        try:
            scores = reward.evaluate(completions)
        except Exception as error:  # Code of the user may raise anything.
            raise ValueError(f"the reward cannot score rollout {number}: {described(error)}") from error
        failures += [(len(rows) + row, reason) for row, reason in scores.failures()]
        before = torch.tensor([_number(record["reward"]) for record in records]).view(-1, size)
        numbers = (before, scores.total, group_normalized(before), group_normalized(scores.total))
        columns = zip(*(values.flatten().tolist() for values in numbers), strict=True)
        rows += [Rescored(number, one, *values) for one, values in zip(completions, columns, strict=True)]
    if not rows:
        raise ValueError(f"there is no completion on record in {run}")
    if len(sizes) > 1:
        raise ValueError(f"the rollouts of {run} have groups of {sorted(sizes)}; one run has one size")
    return Rescoring(full_name(reward), rows, sizes.pop(), failures)


def _whole_groups(number: int, records: Sequence[Record]) -> list[Record]:
    """Return the rows of the newest rollout, without those of groups that a killed run has not written to the end."""
    groups = [list(group) for _, group in groupby(records, key=itemgetter("prompt_index"))]
    size = max(map(len, groups))
    whole = [record for group in groups if len(group) == size for record in group]
    if cut := len(records) - len(whole):
        warnings.warn(
            f"{cut} completions of rollout {number} are left out: their groups end before {size}", stacklevel=3
        )
    return whole


def _group_size(number: int, records: Sequence[Record]) -> int:
    """Return how many completions a prompt has in a rollout."""
    sizes = {len(list(group)) for _, group in groupby(records, key=itemgetter("prompt_index"))}
    if len(sizes) > 1:
        raise ValueError(
            f"rollout {number} has groups of {sorted(sizes)} completions on record: a part of it is missing"
        )
    return sizes.pop()


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _paid(reward: float, above: float) -> str:
    return "abstains" if math.isnan(reward) else "paid" if reward > above else "unpaid"


def _way(reward: float, advantage: float) -> str:
    return "abstains" if math.isnan(reward) else "up" if advantage > 0 else "down" if advantage < 0 else "not at all"
