"""What every way of scoring is held against: padded rows."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from rlframework.functional.logprobs import TokenLogProbs
from rlframework.policies import CausalLMPolicy
from rlframework.rollout import Rollout

Score = Callable[..., TokenLogProbs]


def scored(policy: CausalLMPolicy, rollout: Rollout, score: Score) -> tuple[Tensor, Tensor, Tensor]:
    """Return log-probabilities, entropies and the gradient of a weighted sum of both."""
    policy.zero_grad()
    logprobs, entropy = (
        part.masked_fill(~rollout.completion_mask, 0.0) for part in score(rollout, entropy_gradient=True)
    )
    slopes = torch.linspace(-1, 2, logprobs.numel()).view_as(logprobs)
    (slopes * logprobs + 0.3 * slopes * entropy).sum().backward()
    gradient = [p.grad.flatten() for p in policy.parameters() if p.grad is not None]
    return logprobs.detach(), entropy.detach(), torch.cat(gradient)


def assert_as_padded(
    policy: CausalLMPolicy, rollout: Rollout, score: Score, atol: float = 1e-5, rtol: float = 1e-5
) -> None:
    """Compare with padded rows: numbers by ``atol``, the gradient by ``rtol`` of its norm."""
    expected, found = (scored(policy, rollout, one) for one in (policy.padded_logprobs, score))
    for name, left, right in zip(("logprobs", "entropy"), expected, found, strict=False):
        torch.testing.assert_close(right, left, atol=atol, rtol=0, msg=lambda text, name=name: f"{name}: {text}")
    assert (found[2] - expected[2]).norm() <= rtol * expected[2].norm()
    assert expected[2].norm() > 0
