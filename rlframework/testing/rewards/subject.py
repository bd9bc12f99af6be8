"""The reward under test, and the ways in which the checks call it."""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

import torch
from torch import Tensor

from rlframework.completions import Completions
from rlframework.rewards.base import RewardModel, Scores
from rlframework.rewards.function import BatchFunctionReward, FunctionReward, TRLReward
from rlframework.rewards.template import AnswerTemplate
from rlframework.testing.rewards.cases import Case, in_groups, shortened
from rlframework.testing.rewards.elsewhere import Elsewhere

Source: TypeAlias = RewardModel | type[RewardModel] | Callable[..., Any]

# Rounding in another batch is no fault: a learned reward pads its rows.
RELATIVE, ABSOLUTE = 1e-5, 1e-6


def as_reward(source: Source) -> RewardModel:
    """Return a reward from one, from its class, or from a plain function.

    A function of ``completions`` is called with whole batches, one that also takes ``**kwargs`` as TRL would call it,
    any other with one completion at a time.

    Raises:
        TypeError: It is none of these.

    Example:
        >>> def short(completion):
        ...     return float(len(completion) < 10)
        >>> as_reward(short).name
        'short'
    """
    if isinstance(source, RewardModel):
        return source
    if isinstance(source, type):
        if not issubclass(source, RewardModel):
            raise TypeError(f"{source.__name__} is no RewardModel; give a reward, its class, or a plain function")
        return source()
    if not callable(source):
        raise TypeError(f"expected a reward, its class, or a plain function; got {source!r}")
    parameters = inspect.signature(source).parameters
    if "completions" not in parameters:
        return FunctionReward(source)
    open_ended = any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters.values())
    return TRLReward(source) if open_ended else BatchFunctionReward(source)


@dataclass
class Subject:
    """A reward and the cases that it is tried on.

    Args:
        source: The reward, its class, or a plain function.
        cases: What it is tried on.
        limit_s: Seconds that one completion may take.
        compares_rows: Whether a score depends on the other completions of the group.
        accept_above: A score above it accepts.
    """

    source: Source
    cases: Sequence[Case]
    limit_s: float = 5.0
    compares_rows: bool = False
    accept_above: float = 0.5
    reward: RewardModel = field(init=False)

    def __post_init__(self) -> None:
        self.reward = as_reward(self.source)

    @property
    def name(self) -> str:
        """Name of the reward; of a sum, those of its terms."""
        parts = self.reward.components()
        return " + ".join(part.name if part.weight == 1 else f"{part.weight:g} * {part.name}" for part in parts)

    @property
    def template(self) -> AnswerTemplate:
        """The layout that the reward reads, if it says so, else the default one."""
        templates = [getattr(part.reward, "template", None) for part in self.reward.components()]
        return next((known for known in templates if isinstance(known, AnswerTemplate)), AnswerTemplate())

    def batch(self, group_size: int = 4) -> Completions:
        """Return all cases in groups, copied, so that no check sees what another did to them."""
        return in_groups(self.cases, group_size)[0]

    def judge(self, completions: Completions) -> Scores:
        """Return all that the reward says."""
        return self.reward.evaluate(completions)

    def scores(self, completions: Completions) -> Tensor:
        """Return ``(N, G)`` totals."""
        return self.judge(completions).total

    @cached_property
    def elsewhere(self) -> Elsewhere:
        """The same reward in a fresh process."""
        return Elsewhere(self.source)


def same(one: Tensor, other: Tensor) -> Tensor:
    """Return where two tensors of scores agree; two abstentions do."""
    return torch.isclose(one, other, rtol=RELATIVE, atol=ABSOLUTE, equal_nan=True)


def difference(one: Tensor, other: Tensor, completions: Completions) -> str:
    """Return the first row that got another score, in words; ``""`` if none did."""
    apart = ~same(one, other).flatten()
    if not apart.any():
        return ""
    row = int(apart.nonzero()[0])
    scores = [f"{tensor.flatten()[row].item():g}" for tensor in (one, other)]
    return (
        f"{shortened(completions.rows[row].text)} gets {scores[0]} and then {scores[1]} "
        f"({int(apart.sum())} of {len(completions)} rows differ)"
    )


def reported_failures(scores: Scores) -> list[tuple[int, str]]:
    """Return the rows on which the reward says that its check failed, and why."""
    found = []
    for name, judgement in scores.judgements.items():
        rows = judgement.error_flags.flatten().nonzero().flatten().tolist()
        found += [(row, f"{name}: {judgement.detail or 'no reason given'}") for row in rows]
    return found


def described(error: BaseException) -> str:
    """Return an exception in one line, with the place that raised it."""
    text = f"{type(error).__name__}: {error}".splitlines()[0][:300]
    frames = traceback.extract_tb(error.__traceback__)
    where = f" ({Path(frames[-1].filename).name}:{frames[-1].lineno}, in {frames[-1].name})" if frames else ""
    return text + where
