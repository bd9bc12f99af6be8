"""Six completions with known ratios and rewards, and what an algorithm makes of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch

from rlframework import GroupSampler, PolicyGradient
from rlframework.completions import Completion, Completions
from rlframework.prompt import Prompt
from rlframework.rewards import Scores, SoftOverlong
from rlframework.rollout import Rollout
from rlframework.samplers import BatchedSampler
from rlframework.testing import TablePolicy

# pi / pi_old of every token, N = 2 groups of G = 3 completions; the last has no tokens. None is at a bound of 0.2,
# where clamp has a gradient in torch 2.13 and none in 2.15.
RATIOS = [[1.5], [0.5, 1.1, 0.9], [1.0, 2.0], [0.7, 0.85, 1.25, 3.0], [1.0, 1.0002], []]
REWARDS = np.array([[1.0, 0.0, 0.5], [0.0, 4.0, 1.0]])
TOKENS = 12
MAX_TOKENS = 10
OLD = -1.5  # log pi_old of every token


class Step(NamedTuple):
    """The loss of a step on the six, and its slope with respect to the log-probability of every token."""

    loss: float
    slopes: list[list[float]]
    advantages: np.ndarray


def make(kind: type[PolicyGradient], **options: Any) -> PolicyGradient:
    """Return an algorithm; nothing of it samples."""
    sampler: GroupSampler = BatchedSampler(group_size=3, max_tokens=MAX_TOKENS)
    return kind(TablePolicy(), SoftOverlong(8, 4), sampler, **options)


def step(
    algorithm: PolicyGradient,
    ratios: list[list[float]] = RATIOS,
    components: dict[str, Any] | None = None,
    correction: list[list[float]] | None = None,
    uncertain: list[list[float]] | None = None,
) -> Step:
    """Take a step in double precision, the single component weighing 1, another twice as much."""
    prompt = Prompt([3], "a")
    rows = [Completion(prompt, [4] * len(row), "", "stop") for row in ratios]
    parts = {name: torch.tensor(values) for name, values in (components or {"reward": REWARDS}).items()}
    weights = dict(zip(parts, (1.0, 2.0), strict=False))
    weighted = torch.stack([weights[name] * values for name, values in parts.items()])
    total = weighted.nansum(0).masked_fill(weighted.isnan().all(0), float("nan"))
    scores = Scores(total, parts, weights)
    rollout = Rollout.of(Completions(rows, len(rows) // len(scores.total)), scores.total, pad_id=0)
    mask = rollout.loss_mask
    advantages = algorithm.advantages_of_scores(scores)
    logprobs = padded(ratios, mask).log() + OLD
    logprobs.requires_grad_()
    rollout = replace(
        rollout,
        advantages=advantages.reshape(-1, 1),
        old_logprobs=torch.full_like(logprobs, OLD),
        sampler_correction=None if correction is None else padded(correction, mask),
        entropy_mask=None if uncertain is None else padded(uncertain, mask).bool() & mask,
    )
    surrogate = algorithm.surrogate(logprobs, rollout)
    weights = algorithm.token_weights(mask).double()
    loss = (weights * algorithm.surrogate_factor(logprobs, rollout) * surrogate).sum()
    loss.backward()
    slopes = [row[kept].tolist() for row, kept in zip(logprobs.grad, mask, strict=True)]
    return Step(loss.item(), slopes, advantages.numpy())


def padded(rows: list[list[float]], mask: torch.Tensor) -> torch.Tensor:
    values = torch.ones(mask.shape, dtype=torch.float64)
    values[mask] = torch.tensor([value for row in rows for value in row], dtype=torch.float64)
    return values


def normalized(rewards: np.ndarray = REWARDS) -> np.ndarray:
    """Return GRPO's advantages."""
    return (rewards - rewards.mean(1, keepdims=True)) / (rewards.std(1, ddof=1, keepdims=True) + 1e-4)


def clipped(ratio: float, advantage: float, low: float, high: float) -> tuple[float, float]:
    """Return PPO's loss of one ratio, and its slope with respect to the log of that ratio."""
    bounded = min(max(ratio, 1 - low), 1 + high)
    if bounded * advantage < ratio * advantage:
        return -bounded * advantage, 0.0
    return -ratio * advantage, -ratio * advantage


def assert_step(found: Step, loss: float, slopes: list[list[float]]) -> None:
    """Compare with what the equation gives, and see that it is not all 0."""
    np.testing.assert_allclose(found.loss, loss, rtol=1e-6, atol=1e-9)
    assert [len(row) for row in found.slopes] == [len(row) for row in slopes]
    expected = np.array([slope for row in slopes for slope in row])
    assert np.abs(expected).max() > 1e-3
    np.testing.assert_allclose([slope for row in found.slopes for slope in row], expected, rtol=1e-6, atol=1e-9)
