"""Base of the sentinels of a share: of completions or groups in every rollout, too large and not falling."""

from __future__ import annotations

from abc import abstractmethod
from statistics import fmean

from rlframework.callbacks.sentinels.base import Action, Sentinel


class ShareSentinel(Sentinel):
    """Finds a share that was above a limit in each of the latest rollouts and did not fall meanwhile.

    What training is about to mend is no fault: a policy that begins without the layout asked for learns it first. So
    the latter half of the rollouts has to have as large a share as the former.

    Override `share` and `words`.

    Args:
        limit: The share, between 0 and 1.
        rollouts: Rollouts in a row that are above it.
        action: As of `Sentinel`.

    Raises:
        ValueError: The limit is no share, or fewer than two rollouts.
    """

    def __init__(self, limit: float, rollouts: int, action: Action = "warn") -> None:
        super().__init__(action)
        if not 0 < limit <= 1 or rollouts < 2:
            raise ValueError(
                f"{type(self).__name__} got limit={limit} and rollouts={rollouts}; give a share in (0, 1] and at least "
                "two rollouts"
            )
        self.limit = limit
        self.rollouts = rollouts

    @abstractmethod
    def share(self, figures: dict[str, float]) -> float:
        """Return the share in the rollout that the figures are of."""

    @abstractmethod
    def words(self, share: float) -> str:
        """Put the mean share of the latest rollouts into words."""

    def look(self, figures: dict[str, float]) -> str | None:
        """Return the share in words once it was too large for long enough."""
        latest = [*self.memory.get("latest", []), self.share(figures)][-self.rollouts :]
        half = self.rollouts // 2
        full, above = len(latest) == self.rollouts, min(latest) >= self.limit
        # Once found it stays so until a rollout is below the limit.
        found = above and (self.memory.get("found", False) or (full and fmean(latest[-half:]) >= fmean(latest[:half])))
        self.memory |= {"latest": latest, "found": found}
        if not found:
            return None
        return f"{self.words(fmean(latest))}, in each of the last {self.rollouts} rollouts (limit {self.limit:.0%})"
