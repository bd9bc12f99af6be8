"""Body and head apart, and a loss known beforehand, change no gradient; what cannot be taken apart is left whole."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch
from peft import LoraConfig
from torch import Tensor

from rlframework import SharedPrefixSampler, algorithms
from rlframework.functional import projection
from rlframework.functional.logprobs import TokenLogProbs
from rlframework.policies import CausalLMPolicy
from rlframework.policies.lm_head import TiledHead, WholeHead
from rlframework.rewards import CorrectAnswer
from rlframework.rollout import Rollout
from rlframework.terms import EntropyBonus
from tests.drawn import drawn
from tests.policies.scoring.test_shared_prefix import batch, make


@pytest.mark.parametrize("kind", ["qwen3", "gpt2", "phi3"])
def test_an_ordinary_head_is_tiled(kind: str) -> None:
    assert isinstance(make(kind).head, TiledHead)


@pytest.mark.parametrize(
    "build",
    [
        lambda: make("qwen3", lora=LoraConfig(r=2, target_modules=["lm_head"])),
        lambda: make("granite", logits_scaling=2.0),
        lambda: make("gemma2", final_logit_softcapping=5.0),
    ],
)
def test_a_head_that_does_more_stays_whole(build: Any) -> None:
    policy, rollout = build(), batch()
    assert isinstance(policy.head, WholeHead)
    scored = (score(rollout).logprobs * rollout.completion_mask for score in (policy.logprobs, policy.padded_logprobs))
    torch.testing.assert_close(*scored, atol=1e-5, rtol=0)


ROWS = 5


class Counted:
    """Counts the tiles that are read, and makes them small."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.tiles = 0
        read = projection._Tiles.read
        spans = projection._Tiles.spans

        def counted(tiles: Any, span: slice) -> Any:
            self.tiles += 1
            return read(tiles, span)

        def small(tiles: Any) -> list[slice]:
            tiles._rows = min(tiles._rows, ROWS)
            return spans(tiles)

        monkeypatch.setattr(projection._Tiles, "read", counted)
        monkeypatch.setattr(projection._Tiles, "spans", small)


def rollout_for(algorithm: Any, off_policy: bool) -> Rollout:
    rollout = batch()
    generator = torch.Generator().manual_seed(4)
    with torch.no_grad():
        scored = algorithm.policy.logprobs(rollout).logprobs
    drift = 0.3 * torch.randn(scored.shape, generator=generator) * off_policy
    rollout.advantages = torch.randn(len(rollout), 1, generator=generator)
    rollout.weights = algorithm.token_weights(rollout.loss_mask)
    rollout.old_logprobs = (scored + drift) * rollout.completion_mask if off_policy else None
    rollout.reference_logprobs = (scored + 0.2) * rollout.completion_mask if algorithm.kl_coefficient else None
    rollout.entropy_weights = rollout.loss_mask / rollout.loss_mask.sum()
    return rollout


def gradient(algorithm: Any, rollout: Rollout, known: bool) -> Tensor:
    algorithm.zero_grad()
    objective = lambda scored: algorithm.objective(scored, rollout).total  # noqa: E731
    if known:
        scored = algorithm.policy.logprobs_for(objective, rollout, entropy_gradient=True)
    else:
        scored = algorithm.policy.padded_logprobs(rollout, entropy_gradient=True)
    (4.0 * objective(scored)).backward()
    return torch.cat([p.grad.flatten() for p in algorithm.policy.parameters() if p.grad is not None])


# Of a completion, off-policy.
TIES_TOKENS = {"GSPO", "LUSPO", "GMPO", "VESPO", "RLOO"}


@pytest.mark.parametrize(
    ("name", "off_policy"),
    drawn(
        {f"{name}-{off}": (name, off) for name in algorithms.NAMES for off in (False, True)},
        {f"{name}-{off}" for name in ("GRPO", "CISPO", "GSPO", "VESPO") for off in (False, True)},
    ),
)
def test_every_algorithm_learns_the_same_from_a_loss_known_beforehand(
    name: str, off_policy: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy: CausalLMPolicy = make("qwen3").double()
    options = {"kl_coefficient": 0.1, "entropy_bonus": EntropyBonus(0.01)}
    algorithm = getattr(algorithms, name)(policy, CorrectAnswer(), SharedPrefixSampler(4, 12), **options)
    rollout = rollout_for(algorithm, off_policy)
    expected = gradient(algorithm, rollout, known=False)
    gradient(algorithm, rollout, known=True)  # With the self-check.
    counted = Counted(monkeypatch)
    actual = gradient(algorithm, rollout, known=True)
    assert (actual - expected).norm() <= 1e-6 * expected.norm()
    tiles = -(-int(rollout.completion_mask.sum()) // ROWS)
    assert counted.tiles == tiles * (2 if off_policy and name in TIES_TOKENS else 1)


def test_a_loss_that_ties_tokens_unseen_costs_time_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tokens that stand two apart are not moved against each other beforehand; the slopes that arrive tell."""
    policy, rollout = make("qwen3").double(), batch()

    def objective(scored: TokenLogProbs) -> Tensor:
        logprobs = scored.logprobs.masked_fill(~rollout.completion_mask, 0.0)
        return (logprobs[:, 2:] * logprobs[:, :-2]).sum()

    policy.logprobs(rollout)  # With the self-check.
    counted, gradients = Counted(monkeypatch), []
    for score in (policy.padded_logprobs, partial(policy.logprobs_for, objective)):
        policy.zero_grad()
        objective(score(rollout)).backward()
        gradients.append(torch.cat([p.grad.flatten() for p in policy.parameters() if p.grad is not None]))
    assert (gradients[1] - gradients[0]).norm() <= 1e-6 * gradients[0].norm()
    assert counted.tiles == 2 * -(-int(rollout.completion_mask.sum()) // ROWS)


def test_a_policy_without_that_argument_is_scored_all_the_same() -> None:
    class Plain(CausalLMPolicy):
        def logprobs(self, batch: Rollout, *, entropy_gradient: bool = False) -> TokenLogProbs:
            return self.padded_logprobs(batch, entropy_gradient=entropy_gradient)

    policy, rollout = make("qwen3"), batch()
    policy.__class__ = Plain
    scored = policy.logprobs_for(lambda scored: pytest.fail("nobody asks"), rollout, entropy_gradient=True)
    assert scored.entropy.requires_grad
