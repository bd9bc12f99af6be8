"""The KL divergence to the reference: estimated in the right direction, and made smaller by a step."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from rlframework.algorithms.base import PolicyGradient
from rlframework.completions import Completions
from rlframework.rewards.base import RewardModel
from rlframework.samplers.batched import BatchedSampler
from rlframework.terms.kl import Estimator
from rlframework.testing.algorithms.trial import Trial, V, random_table, table_of, train
from rlframework.testing.report import Violation
from rlframework.testing.table import LETTERS


class NoReward(RewardModel):
    """Pays nothing to anybody."""

    def score(self, completions: Completions) -> Tensor:
        """Return ``(N, G)``."""
        return torch.zeros(completions.num_groups, completions.group_size)


def kl(trial: Trial) -> str:
    """The estimator is one of KL(pi || reference), and with nothing to earn a step moves towards the reference."""
    held = _make(trial, 0.5)
    if held.reference is None:
        raise Violation("kl_coefficient=0.5 keeps no reference", "hand **kwargs on to super().__init__")
    what = _check_estimator(held.kl.estimator)
    free = _make(trial, 0.0)
    rows = _prompt_rows(held)
    away = exact_gradient(table_of(held.policy), table_of(held.reference), rows)
    pull = train(held).gradient - train(free).gradient
    if not pull.abs().max() > 0:
        raise Violation("kl_coefficient=0.5 does not change the gradient", "leave the KL term to the base class")
    cosine = torch.nn.functional.cosine_similarity(pull[rows].flatten(), away[rows].flatten(), dim=0).item()
    if cosine < 0.2:
        raise Violation(
            f"the KL term does not pull towards the reference: its gradient has cosine {cosine:.2f} with that of the "
            "exact KL divergence",
            "check the signs of token_loss() (added to the loss) and reward_penalty() (subtracted from the reward)",
        )
    return f"{what}; a step's pull has cosine {cosine:.2f} with that of the exact divergence"


def _make(trial: Trial, coefficient: float) -> PolicyGradient:
    sampler = BatchedSampler(group_size=16, max_tokens=3)
    changes: dict[str, Any] = {"kl_coefficient": coefficient, "prompts_per_rollout": 2 * len(LETTERS)}
    # Moved, so that there is a way back, but not so far that samples miss what the reference likes.
    return trial.make(sampler, NoReward(), random_table(1), 0.5 * (random_table() + random_table(1)), **changes)


def _prompt_rows(algorithm: PolicyGradient) -> list[int]:
    vocabulary: dict[str, int] = algorithm.policy.tokenizer.get_vocab()
    return [vocabulary[letter] for letter in LETTERS]


def exact_divergence(table: Tensor, reference: Tensor) -> Tensor:
    """Return KL(pi || pi_ref) of every row, ``(V,)``."""
    logprobs = table.log_softmax(-1)
    return (logprobs.exp() * (logprobs - reference.log_softmax(-1))).sum(-1)


def exact_gradient(table: Tensor, reference: Tensor, rows: list[int]) -> Tensor:
    """Return the gradient of the mean divergence over some rows, ``(V, V)``."""
    table = table.clone().requires_grad_()
    return torch.autograd.grad(exact_divergence(table, reference)[rows].mean(), table)[0]


def _check_estimator(estimator: Estimator) -> str:
    """Compare with sums over the vocabulary: the expectation as a number, and that of the gradient."""
    table, reference = random_table(1).requires_grad_(), random_table(2)
    logprobs, other = table.log_softmax(-1), reference.log_softmax(-1)
    exact = exact_divergence(table, reference)
    estimates = estimator(logprobs, other)
    expected = (logprobs.detach().exp() * estimates).sum(-1)
    if torch.allclose(expected, exact, rtol=1e-5):
        return "the estimator's expectation is KL(pi || reference)"
    slopes = torch.autograd.grad(expected.sum(), table, retain_graph=True)[0]
    if torch.allclose(slopes, torch.autograd.grad(exact.sum(), table)[0], rtol=1e-5, atol=1e-8):
        return "the estimator's gradient is that of KL(pi || reference)"
    backwards = exact_divergence(reference, table.detach()).mean().item()
    raise Violation(
        f"over all {V} tokens the estimator's expectation is {expected.mean():.3f}, and KL(pi || reference) is "
        f"{exact.mean():.3f} (the other way round it is {backwards:.3f}); nor is its gradient that of the KL",
        "mind the order: estimator(logprobs, reference_logprobs) for tokens drawn from pi, as k1, k2 and k3 of "
        "rlframework.functional.divergences",
    )
