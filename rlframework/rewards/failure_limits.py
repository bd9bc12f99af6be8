"""Limits on failed checks: a reward that mostly cannot judge its rows stops the run."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import torch
from pytorch_lightning.utilities.rank_zero import rank_zero_warn
from torch import Tensor

from rlframework.functional.confidence import design_effect, wilson_interval
from rlframework.utilities.arguments import Checked

if TYPE_CHECKING:
    from rlframework.rewards.judgement import Judgement


class Counts(NamedTuple):
    """Counts of the rows that a reward is for, and of those whose check failed.

    Args:
        rows: Completions that it is for.
        errors: Of these, where the check failed.
        unverifiable: Where the expected answer cannot be checked.
        detail: The first failure in words.
        groups: Groups that it is for; 0 where nobody counted.
        squares: Sum over them of the square of their failed checks, which says whether failures come in clusters.
    """

    rows: int
    errors: int
    unverifiable: int
    detail: str = ""
    groups: int = 0
    squares: int = 0

    @classmethod
    def of(cls, judgement: Judgement) -> Counts:
        """Count the flags of a judgement."""
        checked, failed = _by_group(judgement.checked), _by_group(judgement.error_flags)
        unverifiable = int(judgement.unverifiable_flags.sum())
        groups, squares = int((checked > 0).sum()), int(failed.square().sum())
        return cls(int(checked.sum()), int(failed.sum()), unverifiable, judgement.detail, groups, squares)

    @classmethod
    def added(cls, parts: Iterable[Counts]) -> Counts:
        """Add up; the detail is the first there is."""
        parts = list(parts)
        detail = next((part.detail for part in parts if part.detail), "")
        return cls.of_numbers([sum(numbers) for numbers in zip(*(part.numbers for part in parts), strict=True)], detail)

    @classmethod
    def of_numbers(cls, numbers: Sequence[int], detail: str) -> Counts:
        """Put `numbers` together again."""
        rows, errors, unverifiable, groups, squares = numbers
        return cls(rows, errors, unverifiable, detail, groups, squares)

    @property
    def numbers(self) -> list[int]:
        """All but the detail, such as ranks add up."""
        return [self.rows, self.errors, self.unverifiable, self.groups, self.squares]


class RewardLimits(Checked):
    """Stops a run when a reward component fails on too large a share of the latest completions.

    A failed check and an expected answer that cannot be checked are no score, so the row learns nothing from them; they
    are logged as ``train/judgement/<name>/errors`` and ``.../abstained``. Above a limit something is wrong that the run
    must not hide, and it stops before it learns from the rollout that passed it. Abstentions that a reward chose itself
    (NaN, None) are counted and never limited: rewards of a mixture of tasks abstain on each other's rows.

    Failed checks are limited among the latest completions and in every single rollout. Of few rows a share says little,
    so there they have to be more than chance would bring at the limit: chance that strikes rows, and prompts, as one
    that a check cannot digest fails in all of its rows.

    Args:
        errors: Largest share of failed checks.
        unverifiable: Largest share of expected answers that cannot be checked.
        window_rows: The latest completions that shares are taken of, over all ranks. It starts empty in a resumed run.

    Raises:
        ValueError: A share outside [0, 1].

    Example:
        >>> RewardLimits().refuse({"math": Counts(rows=512, errors=300, unverifiable=0, detail="no answer within 5 s")})
        Traceback (most recent call last):
        ...
        RuntimeError: reward 'math' failed to check 300 of the latest 512 completions (58.6%; limit 5%). The first
        failure: no answer within 5 s. Fix the reward, or raise the limit: reward_limits=RewardLimits(errors=...)
    """

    # In fewer rows than these a share says little: one hanging row in sixteen would be above any limit of use.
    fewest_rows = 256
    fewest_errors = 3
    # Standard deviations above the limit. A run begins once, and has many rollouts that chance can strike.
    at_first, in_a_rollout = 2.3, 4.0

    def __init__(self, errors: float = 0.05, unverifiable: float = 0.2, window_rows: int = 2048) -> None:
        if not (0 <= errors <= 1 and 0 <= unverifiable <= 1):
            raise ValueError(f"limits are shares in [0, 1], got errors={errors} and unverifiable={unverifiable}")
        self.errors = errors
        self.unverifiable = unverifiable
        self.window_rows = window_rows
        self._latest: dict[str, deque[Counts]] = defaultdict(deque)

    def observe(self, judgements: Mapping[str, Judgement], total: Callable[[Tensor], Tensor]) -> None:
        """Add a rollout that is to be learned from, and stop the run if a limit is passed.

        Args:
            judgements: By component, of this rank's completions.
            total: Adds up a tensor over all ranks, so that all of them stop together.

        Raises:
            RuntimeError: As `refuse`.
        """
        mine = {name: Counts.of(judgement) for name, judgement in judgements.items()}
        sums = total(torch.tensor([counts.numbers for counts in mine.values()])).tolist()
        for (name, counts), numbers in zip(mine.items(), sums, strict=True):
            self.add(name, Counts.of_numbers([int(number) for number in numbers], counts.detail))

    def add(self, name: str, rollout: Counts) -> None:
        """Add what a component said of a rollout of all ranks, and stop the run if a limit is passed.

        Raises:
            RuntimeError: As `refuse`.
        """
        latest = self._latest[name]
        latest.append(rollout)
        while sum(part.rows for part in latest) - latest[0].rows >= self.window_rows:
            latest.popleft()
        self.refuse({name: Counts.added(latest)})
        if self._beyond_chance(rollout, self.in_a_rollout):
            raise RuntimeError(self._too_many_errors(name, rollout, f"{rollout.rows} completions of a rollout"))

    def refuse(self, counts: Mapping[str, Counts]) -> None:
        """Raise if a component is above a limit.

        Raises:
            RuntimeError: The numbers, the first failure, and the way out.
        """
        for name, found in counts.items():
            base = max(found.rows, self.fewest_rows)
            few = found.rows < self.fewest_rows
            if found.errors > self.errors * base or (few and self._beyond_chance(found, self.at_first)):
                raise RuntimeError(self._too_many_errors(name, found, f"latest {found.rows} completions"))
            if found.unverifiable > self.unverifiable * base:
                raise RuntimeError(
                    f"reward {name!r} cannot check the expected answer of {found.unverifiable} of the latest "
                    f"{found.rows} completions ({found.unverifiable / found.rows:.1%}; limit {self.unverifiable:.0%}). "
                    "Leave those rows out of the data, or raise the limit: "
                    "reward_limits=RewardLimits(unverifiable=...)"
                )

    def _beyond_chance(self, found: Counts, deviations: float) -> bool:
        """Return whether there are some failed checks, and the interval about their share is above the limit."""
        if found.errors < self.fewest_errors:
            return False
        effect = design_effect(found.errors, found.rows, found.groups, found.squares)
        errors = found.errors / effect
        return (
            errors >= self.fewest_errors and wilson_interval(errors, found.rows / effect, deviations)[0] > self.errors
        )

    def _too_many_errors(self, name: str, found: Counts, rows: str) -> str:
        return (
            f"reward {name!r} failed to check {found.errors} of the {rows} ({found.errors / found.rows:.1%}; limit "
            f"{self.errors:.0%}). The first failure: {found.detail or 'on another rank'}. Fix the reward, or raise "
            "the limit: reward_limits=RewardLimits(errors=...)"
        )

    def __deepcopy__(self, memo: dict[int, object]) -> RewardLimits:
        return RewardLimits(self.errors, self.unverifiable, self.window_rows)


def counts_of(measure: str, counts: Mapping[str, Counts]) -> dict[str, Counts]:
    """Return the counts of a measure's components under its name, so that no two measures are mixed up.

    Example:
        >>> list(counts_of("accuracy", {"math": Counts(8, 0, 0)}))
        ['accuracy']
        >>> list(counts_of("reward", {"math": Counts(8, 0, 0), "layout": Counts(8, 0, 0)}))
        ['reward/math', 'reward/layout']
    """
    return {measure if len(counts) == 1 else f"{measure}/{name}": found for name, found in counts.items()}


def warn_of_failures(where: str, counts: Mapping[str, Counts]) -> None:
    """Say how many completions a figure leaves out because their check failed."""
    for name, found in counts.items():
        if found.errors or found.unverifiable:
            why = f"; the first failure: {found.detail}" if found.detail else ""
            rank_zero_warn(
                f"{where}: {name!r} leaves out {found.errors + found.unverifiable} of {found.rows} completions: "
                f"{found.errors} checks failed, {found.unverifiable} expected answers cannot be checked{why}"
            )


def _by_group(flags: Tensor) -> Tensor:
    """Count the flags of each group; rows that are in no groups stand for themselves."""
    return flags.view(len(flags), -1).sum(1)
