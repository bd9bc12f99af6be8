"""When too many checks fail: a reward that mostly cannot tell must not go on steering a run."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple

import torch
from pytorch_lightning.utilities.rank_zero import rank_zero_warn
from torch import Tensor

if TYPE_CHECKING:
    from rlframework.rewards.judgement import Judgement


class Counts(NamedTuple):
    """How many rows a reward has judged, and on how many it could not.

    Args:
        rows: Completions.
        errors: Of these, where the check failed.
        unverifiable: Where the expected answer cannot be checked.
        detail: The first failure in words.
    """

    rows: int
    errors: int
    unverifiable: int
    detail: str = ""

    @classmethod
    def of(cls, judgement: Judgement) -> Counts:
        """Count the flags of a judgement."""
        errors, unverifiable = int(judgement.error_flags.sum()), int(judgement.unverifiable_flags.sum())
        return cls(judgement.scores.numel(), errors, unverifiable, judgement.detail)


class RewardLimits:
    """Stops a run when a reward component fails on too large a share of the latest completions.

    A failed check and an expected answer that cannot be checked are no score, so the row learns nothing from them; they
    are logged as ``train/reward/<name>/errors`` and ``.../abstained``. Above a limit something is wrong that the run
    must not hide. Abstentions that a reward chose itself (NaN, None) are counted and never limited: rewards of a
    mixture of tasks abstain on each other's rows.

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
        failure: no answer within 5 s. Mend the reward, or raise the limit: reward_limits=RewardLimits(errors=...)
    """

    # In fewer rows than these a share says little: one hanging row in sixteen would be above any limit of use.
    fewest_rows = 256

    def __init__(self, errors: float = 0.05, unverifiable: float = 0.2, window_rows: int = 2048) -> None:
        if not (0 <= errors <= 1 and 0 <= unverifiable <= 1):
            raise ValueError(f"limits are shares in [0, 1], got errors={errors} and unverifiable={unverifiable}")
        self.errors = errors
        self.unverifiable = unverifiable
        self.window_rows = window_rows
        self._latest: dict[str, deque[Counts]] = defaultdict(deque)

    def observe(self, judgements: Mapping[str, Judgement], total: Callable[[Tensor], Tensor]) -> None:
        """Add a rollout, and stop the run if a limit is passed.

        Args:
            judgements: By component, of this rank's completions.
            total: Adds up a tensor over all ranks, so that all of them stop together.

        Raises:
            RuntimeError: As `refuse`.
        """
        mine = {name: Counts.of(judgement) for name, judgement in judgements.items()}
        sums = total(torch.tensor([counts[:3] for counts in mine.values()])).tolist()
        for (name, counts), (rows, errors, unverifiable) in zip(mine.items(), sums, strict=True):
            latest = self._latest[name]
            latest.append(Counts(rows, errors, unverifiable, counts.detail))
            while sum(part.rows for part in latest) - latest[0].rows >= self.window_rows:
                latest.popleft()
        self.refuse({name: _added(self._latest[name]) for name in mine})

    def refuse(self, counts: Mapping[str, Counts]) -> None:
        """Raise if a component is above a limit.

        Raises:
            RuntimeError: The numbers, the first failure, and the way out.
        """
        for name, (rows, errors, unverifiable, detail) in counts.items():
            base = max(rows, self.fewest_rows)
            if errors > self.errors * base or (rows and errors == rows):
                raise RuntimeError(
                    f"reward {name!r} failed to check {errors} of the latest {rows} completions ({errors / rows:.1%}; "
                    f"limit {self.errors:.0%}). The first failure: {detail or 'on another rank'}. Mend the reward, or "
                    "raise the limit: reward_limits=RewardLimits(errors=...)"
                )
            if unverifiable > self.unverifiable * base:
                raise RuntimeError(
                    f"reward {name!r} cannot check the expected answer of {unverifiable} of the latest {rows} "
                    f"completions ({unverifiable / rows:.1%}; limit {self.unverifiable:.0%}). Leave those rows out of "
                    "the data, or raise the limit: reward_limits=RewardLimits(unverifiable=...)"
                )

    def __deepcopy__(self, memo: dict[int, object]) -> RewardLimits:
        return RewardLimits(self.errors, self.unverifiable, self.window_rows)


def warn_of_failures(where: str, counts: Mapping[str, Counts]) -> None:
    """Say how many completions a figure leaves out because their check failed."""
    for name, (rows, errors, unverifiable, detail) in counts.items():
        if errors or unverifiable:
            why = f"; the first failure: {detail}" if detail else ""
            rank_zero_warn(
                f"{where}: {name!r} leaves out {errors + unverifiable} of {rows} completions: {errors} checks failed, "
                f"{unverifiable} expected answers cannot be checked{why}"
            )


def _added(parts: Iterable[Counts]) -> Counts:
    parts = list(parts)
    return Counts(
        sum(part.rows for part in parts),
        sum(part.errors for part in parts),
        sum(part.unverifiable for part in parts),
        next((part.detail for part in parts if part.detail), ""),
    )
