"""Shades of tokens: a term of the loss as a number from -1 to 1, the strength of its colour."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rlframework.replay.result import Replay, ReplayedCompletion

COLOURED = ("advantage", "ratio", "slope", "kl", "entropy")
"""Terms that tokens can be coloured by, where a step has them."""
_NOTED = ("advantage", "ratio", "slope", "logprob", "entropy", "kl", "surrogate", "weight", "factor")


def coloured_terms(replayed: Replay) -> list[str]:
    """Return the terms that the tokens of a step can be coloured by."""
    return [name for name in COLOURED if all(name in row.terms for row in replayed.completions)]


def shades(rows: Sequence[ReplayedCompletion], term: str) -> list[list[float]]:
    """Return a number from -1 to 1 for each token: green above 0, where the policy is pushed up or has gone up.

    The token of the step that has most of it is 1 or -1. A ratio counts by its logarithm, and a slope with its sign
    turned around: a step goes against it.

    Args:
        rows: Of a step.
        term: Name of the term.
    """
    values = [[_signed(term, value) for value in row.terms[term]] for row in rows]
    largest = max((abs(value) for row in values for value in row if math.isfinite(value)), default=0.0)
    return [[_within(value / largest) if largest else 0.0 for value in row] for row in values]


def clipped(row: ReplayedCompletion) -> list[str]:
    """Return on which side each token is clipped, ``"low"`` or ``"high"``, as `diagnostics` says; else nothing."""
    sides = {"low": row.terms.get("clip_fraction_low"), "high": row.terms.get("clip_fraction_high")}
    found = [""] * len(row.pieces)
    for side, flags in sides.items():
        found = [side if flag else before for flag, before in zip(flags or found, found, strict=True)]
    return found


def notes(row: ReplayedCompletion) -> list[str]:
    """Return of each token what there is to say of it, in lines."""
    sides, sampled = clipped(row), row.completion.sampled
    names = [*_NOTED, *sorted(row.terms.keys() - set(_NOTED))]
    names = [name for name in names if name in row.terms and not name.startswith("clip_fraction")]
    said = []
    for place, side in enumerate(sides):
        lines = [f"{name} {row.terms[name][place]:.6g}" for name in names]
        if side:
            lines.insert(2, f"clipped, {side}")
        said.append("\n".join(lines) if sampled[place] else "given by the environment")
    return said


def chosen(replayed: Replay, groups: int | None) -> list[list[ReplayedCompletion]]:
    """Return the first groups of a step, or all.

    Args:
        replayed: The step.
        groups: How many; None takes all.
    """
    size, rows = replayed.group_size, replayed.completions
    whole = [rows[start : start + size] for start in range(0, len(rows), size)]
    return whole[:groups]


def _signed(term: str, value: float) -> float:
    if term == "ratio":
        return math.log(value) if value > 0 else 0.0
    return -value if term == "slope" else value


def _within(value: float) -> float:
    return max(-1.0, min(1.0, value)) if not math.isnan(value) else 0.0
