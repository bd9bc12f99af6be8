"""`Replay`, the result of a replay: the step's completions token by token, and its figures beside the log's."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from rlframework.completions import Completion

TOLERANCE = 1e-6
"""How far a figure may be off the log's: this much, or this share of it."""


@dataclass(frozen=True)
class Pair:
    """A number as it was recorded and as it comes out now; None where there is none.

    Example:
        >>> Pair(0.5, 0.5000001).same, Pair(0.5, 0.51).same, Pair(None, 0.5).same
        (True, False, True)
    """

    recorded: float | None
    now: float | None

    @property
    def same(self) -> bool:
        """Whether both are the same to `TOLERANCE`, or nothing was recorded; two NaN are the same."""
        if self.recorded is None:
            return True
        if self.now is None or math.isnan(self.recorded) or math.isnan(self.now):
            return math.isnan(self.recorded) and (self.now is None or math.isnan(self.now))
        return abs(self.recorded - self.now) <= TOLERANCE * max(1.0, abs(self.recorded))


@dataclass(frozen=True)
class ReplayedCompletion:
    """A completion of the step, token by token.

    Args:
        completion: What was sampled.
        reward: Its total.
        rewards: Every component of it.
        advantage: Its mean over tokens.
        pieces: The text of each token.
        terms: What the loss is made of, by name, a number for each token (`PolicyGradient.token_terms`).
    """

    completion: Completion
    reward: Pair
    rewards: dict[str, Pair]
    advantage: Pair
    pieces: list[str]
    terms: dict[str, list[float]]

    @property
    def same(self) -> bool:
        """Whether rewards and advantage are those on record."""
        return all(pair.same for pair in (self.reward, self.advantage, *self.rewards.values()))


@dataclass(frozen=True)
class Replay:
    """An optimizer step of a past run, gone through again.

    Args:
        step: Optimizer steps that were done before it.
        rollout: Number of the rollout that it learned from.
        group_size: Completions of a prompt.
        weights: In words, whose weights they are.
        exact: Whether the figures are to be those of the log.
        completions: Those that the step learned from, group by group.
        figures: Of the step, by the name in the log without ``train/``.
        remarks: What to know of it, in words.
    """

    step: int
    rollout: int
    group_size: int
    weights: str
    exact: bool
    completions: list[ReplayedCompletion]
    figures: dict[str, Pair]
    remarks: list[str] = field(default_factory=list)

    @property
    def differing(self) -> dict[str, Pair]:
        """The figures that are not those of the log."""
        return {name: pair for name, pair in self.figures.items() if not pair.same}

    @property
    def logged(self) -> int:
        """Number of figures that the log has of this step."""
        return sum(pair.recorded is not None for pair in self.figures.values())

    @property
    def same(self) -> bool:
        """Whether every figure, reward and advantage is the recorded one."""
        return not self.differing and all(row.same for row in self.completions)

    def verdict(self) -> str:
        """Return in a sentence whether all is as it was recorded."""
        rows, others = len(self.completions), sum(not row.same for row in self.completions)
        if self.same:
            logged = (
                f"{self.logged} figures of the log" if self.logged else "no figure, as the log has none of this step"
            )
            return f"Equal to the record to {TOLERANCE:g}: {logged}, and rewards and advantages of {rows} completions."
        return (
            f"Not as it was recorded: {len(self.differing)} of {self.logged} figures of the log differ, and rewards or "
            f"advantages of {others} of {rows} completions."
        )
