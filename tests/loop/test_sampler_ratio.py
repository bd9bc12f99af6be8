"""The surrogate's ratio taken to the sampler: nothing where the sampler is exact, and a clip around what sampled."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from torch import Tensor

from rlframework import GRPO, algorithms
from rlframework.completions import Completions
from rlframework.policies.base import Policy
from rlframework.rollout import Rollout
from rlframework.terms import EntropyBonus, KLInLoss, KLInReward, SamplerRatio, TokenTruncation
from rlframework.testing.algorithms.script import ScriptedReward, ScriptedSampler, ragged_script
from rlframework.testing.algorithms.trial import Drift, Record, Trial, difference, random_table, train

# Those whose surrogate bounds the ratio of a token, written out: a change of one is a change of its default ahead.
TAKE_IT = {"BNPO", "CISPO", "DAPO", "DrGRPO", "GDPO", "GMPO", "GRPO", "LitePPO", "ReinforcePlusPlusBaseline", "SAPO"}
ONE_RATIO_A_COMPLETION = {"GSPO", "LUSPO", "RLOO"}
GAP = 0.3
SCRIPT = ragged_script()


def trial(name: str, **options: Any) -> Trial:
    return Trial(getattr(algorithms, name), options)


def gap_of(batch: Rollout) -> Tensor:
    """Return what the sampler of `Script.believed` overstates, ``(B, 1)``."""
    return GAP * torch.tensor([1.0, -1.0]).repeat(len(batch) // 2).unsqueeze(1)


@pytest.mark.parametrize("name", sorted(TAKE_IT))
def test_with_an_exact_sampler_gradients_are_those_without_a_correction(name: str) -> None:
    without = trial(name).learning_record(SCRIPT)
    ratio = trial(name, sampler_correction=SamplerRatio()).record(SCRIPT)
    assert without.steps[0].parts[0].old_logprobs is None
    assert ratio.steps[0].parts[0].old_logprobs is not None
    assert ratio.steps[0].parts[0].sampler_correction is None
    assert difference(without.gradient, ratio.gradient) < 1e-6


@pytest.mark.parametrize("name", sorted(set(algorithms.NAMES) - TAKE_IT))
def test_without_a_bound_on_the_ratio_of_a_token_it_is_refused(name: str) -> None:
    reason = "one ratio for a completion" if name in ONE_RATIO_A_COMPLETION else "no bound on the ratio of a token"
    with pytest.raises(ValueError, match=rf"{name} has {reason}; use TokenTruncation\(\)"):
        trial(name, sampler_correction=SamplerRatio()).follow(SCRIPT)
    assert isinstance(trial(name, rollouts_ahead=1).follow(SCRIPT).sampler_correction, TokenTruncation)


@pytest.mark.parametrize("name", ["REINFORCE", "MaxRL"])
def test_a_cap_is_a_bound(name: str) -> None:
    """With a cap they are CISPO but for their advantages and weights, and without one CISPO is as they are."""
    options = {"ratio_cap": 3.0, "sampler_correction": SamplerRatio()}
    without = trial(name, ratio_cap=3.0).learning_record(SCRIPT)
    assert difference(without.gradient, trial(name, **options).record(SCRIPT).gradient) < 1e-6
    with pytest.raises(ValueError, match="CISPO has no bound on the ratio of a token"):
        trial("CISPO", **{**options, "ratio_cap": None}).follow(SCRIPT)


@pytest.mark.parametrize("name", sorted(TAKE_IT))
def test_what_the_sampler_believes_is_what_the_policy_is_compared_with(name: str) -> None:
    """As if the policy had moved away from the sampler; without the correction nothing looks at what it believes."""
    believed = SCRIPT.believed(GAP)
    ratio = trial(name, sampler_correction=SamplerRatio()).record(believed)
    moved = trial(name).record(SCRIPT, [Drift(lambda batch: -gap_of(batch))])
    assert difference(moved.gradient, ratio.gradient) < 1e-6
    assert difference(trial(name).record(believed).gradient, ratio.gradient) > 1e-2


@pytest.mark.parametrize(
    "options",
    [
        {"mask_truncated": True},
        {"mask_truncated": True, "count_masked": True},
        {"ratio_cap": 3.0},
        {"off_policy_threshold": 0.05},
        {"top_entropy_share": 0.5},
        {"entropy_bonus": EntropyBonus(0.01)},
        {"kl_coefficient": 0.1, "kl": KLInLoss(ratio_corrected=True)},
        {"kl_coefficient": 0.1, "kl": KLInReward()},
    ],
    ids=lambda options: ",".join(options),
)
def test_with_an_exact_sampler_it_changes_no_option(options: dict[str, Any]) -> None:
    """Over two passes, of which the second is taken with another policy than sampled."""
    settings = {"steps": 4, "passes_per_rollout": 2, "table": random_table(1), "moved": random_table()}
    without = trial("GRPO", **options).learning_record(SCRIPT, **settings)
    ratio = trial("GRPO", **options, sampler_correction=SamplerRatio()).record(SCRIPT, **settings)
    for one, other in zip(without.steps, ratio.steps, strict=True):
        assert difference(one.gradient, other.gradient) < 1e-5


@pytest.mark.parametrize("name", sorted(TAKE_IT - {"GDPO"}))
def test_a_penalty_in_the_reward_is_that_of_the_policy_whatever_the_sampler_believes(name: str) -> None:
    options = {"kl_coefficient": 0.5, "kl": KLInReward()}
    moved = {"table": random_table(1), "moved": random_table()}
    exact = trial(name, **options).record(SCRIPT, **moved)
    ratio = trial(name, **options, sampler_correction=SamplerRatio()).record(SCRIPT.believed(GAP), **moved)
    unpenalised = trial(name).record(SCRIPT)
    assert (exact.advantages - unpenalised.advantages).abs().max() > 0.1
    torch.testing.assert_close(ratio.advantages, exact.advantages)
    rollout = ratio.collected[0].rollout
    known = rollout.sampler_logprobs.masked_fill(~rollout.loss_mask, 0.0)
    assert torch.equal(rollout.old_logprobs, known)


def test_every_pass_is_compared_with_the_sampler() -> None:
    corrected = trial("GRPO", sampler_correction=SamplerRatio(), passes_per_rollout=3)
    record = corrected.record(SCRIPT.believed(GAP), steps=3)
    first, _, last = record.steps
    assert (first.table - last.table).abs().max() > 0.05
    for step in record.steps:
        batch = step.parts[0]
        assert torch.equal(batch.old_logprobs, batch.sampler_logprobs.masked_fill(~batch.loss_mask, 0.0))


def test_the_threshold_and_the_cap_are_of_the_distance_to_the_sampler() -> None:
    """Rows that the sampler overstates are 0.3 nats away; ratios of the others are 1.35."""

    def silent(**options: Any) -> Tensor:
        record = trial("GRPO", sampler_correction=SamplerRatio(), **options).record(SCRIPT.believed(GAP))
        rollout, slopes = record.steps[0].parts[0], record.steps[0].slopes[0]
        return (slopes == 0).logical_or(~rollout.loss_mask).all(1) & (rollout.advantages[:, 0] < 0)

    overstated = (gap_of(SCRIPT_ROLLOUT) > 0)[:, 0]
    bad = SCRIPT_ROLLOUT.advantages[:, 0] < 0
    # Ratios of overstated bad rows are 0.74, beyond the clip of 0.2; with one of 0.5 none is silent.
    assert torch.equal(silent(), bad & overstated)
    assert not silent(clip_low=0.5).any()
    assert torch.equal(silent(clip_low=0.5, off_policy_threshold=0.25), bad & overstated)
    assert not silent(clip_low=0.5, off_policy_threshold=0.35).any()
    assert torch.equal(silent(clip_low=0.5, clip_high=0.2, ratio_cap=1.3), bad & ~overstated)


SCRIPT_ROLLOUT = trial("GRPO").record(SCRIPT).collected[0].rollout


class ClipFractions(pl.Callback):
    def on_train_batch_end(self, trainer: pl.Trainer, *rest: Any) -> None:
        self.figures = {name: float(value) for name, value in trainer.callback_metrics.items() if "clip" in name}


def test_the_clip_fraction_is_counted_against_the_sampler() -> None:
    figures = {}
    for correction in (None, SamplerRatio()):
        seen = ClipFractions()
        trial("GRPO", sampler_correction=correction).record(SCRIPT.believed(GAP), [seen])
        figures[correction is None] = seen.figures
    assert figures[True] == {"train/clip_fraction_low": 0.0, "train/clip_fraction_high": 0.0}
    mask, overstated = SCRIPT_ROLLOUT.loss_mask, gap_of(SCRIPT_ROLLOUT) > 0
    low = (mask & overstated & (SCRIPT_ROLLOUT.advantages < 0)).sum() / mask.sum()
    high = (mask & ~overstated & (SCRIPT_ROLLOUT.advantages > 0)).sum() / mask.sum()
    assert min(low, high) > 0.1
    assert figures[False] == pytest.approx(
        {"train/clip_fraction_low": float(low), "train/clip_fraction_high": float(high)}
    )


class Silent(ScriptedSampler):
    """Says nothing of the first token of truncated rows, or of all."""

    def __init__(self, of_all: bool) -> None:
        super().__init__(SCRIPT)
        self.of_all = of_all

    def sample(self, policy: Policy, prompts: Any, *, step: int = 0) -> Completions:
        completions = super().sample(policy, prompts, step=step)
        rows = [
            replace(row, logprobs=[float("nan"), *row.logprobs[1:]]) if self.of_all or row.truncated else row
            for row in completions
        ]
        return replace(completions, rows=rows)


def learn(of_all: bool, **options: Any) -> Record:
    kept = {"sampler_correction": SamplerRatio(), "prompts_per_rollout": len(SCRIPT.prompts), **options}
    return train(Trial(GRPO).make(Silent(of_all), ScriptedReward(), random_table(), **kept))


def test_a_token_of_unknown_probability_is_refused_unless_nothing_is_learned_from_it() -> None:
    truncated = int(SCRIPT_ROLLOUT.truncated.sum())
    with pytest.raises(RuntimeError, match=rf"gave NaN for {truncated} tokens.*or use TokenTruncation\(\)"):
        learn(of_all=False)
    masked = trial("GRPO", mask_truncated=True).record(SCRIPT)
    assert difference(masked.gradient, learn(of_all=False, mask_truncated=True).gradient) < 1e-6
    with pytest.raises(RuntimeError, match=f"gave NaN for {len(SCRIPT_ROLLOUT)} tokens"):
        learn(of_all=True)
