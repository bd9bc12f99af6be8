"""The options that every algorithm takes: what is refused, and which rows and tokens count."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch

from rlframework import (
    BNPO,
    DAPO,
    GRPO,
    GSPO,
    BatchedSampler,
    Rollout,
    RolloutCallback,
    SharedPrefixSampler,
    algorithms,
)
from rlframework.functional.logprobs import TokenLogProbs
from rlframework.loop.callback import RolloutRecord
from rlframework.rewards import CorrectAnswer
from rlframework.samplers import DynamicSampling
from rlframework.terms import EntropyBonus, SequenceMask, TokenTruncation
from rlframework.testing import tiny_policy
from tests.algorithms.closed_form import make as still
from tests.distributed.reducer_runs import KINDS, TWICE, Bigrams, Option, Scripted, learn, make
from tests.drawn import drawn


class Keep(RolloutCallback):
    def on_rollout_end(self, trainer: Any, pl_module: Any, collected: RolloutRecord) -> None:
        self.rollout, self.scores = collected.rollout, collected.scores


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        (GRPO, {"kl_coefficient": -0.1}, r"kl_coefficient must not be negative, got -0\.1"),
        (GRPO, {"ratio_cap": 1.0}, r"ratio_cap=1\.0 bounds the ratio itself, and that is 1 on-policy"),
        (GRPO, {"ratio_cap": 1.1}, r"ratio_cap=1\.1 must not lie below the clip at 1\.2"),
        (DAPO, {"ratio_cap": 1.25}, r"ratio_cap=1\.25 must not lie below the clip at 1\.28"),
        (GRPO, {"top_entropy_share": 0.0}, r"top_entropy_share must be in \(0, 1\], got 0\.0"),
        (GRPO, {"top_entropy_share": 1.5}, r"top_entropy_share must be in \(0, 1\], got 1\.5"),
        (GSPO, {"top_entropy_share": 0.5}, r"the surrogate of GSPO is one number per completion"),
        (GRPO, {"count_masked": True}, "it needs mask_truncated=True"),
    ],
)
def test_what_means_nothing_is_refused(kind: type, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        still(kind, **options)


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_groups_of_one_and_greedy_groups_are_refused_by_all(kind: type) -> None:
    with pytest.raises(ValueError, match="group_size=1: advantages compare the completions of one prompt"):
        kind(Bigrams(), CorrectAnswer(), BatchedSampler(group_size=1, max_tokens=2))
    with pytest.raises(ValueError, match="temperature=0 makes every completion of a group the same"):
        kind(Bigrams(), CorrectAnswer(), BatchedSampler(group_size=2, max_tokens=2, temperature=0))


def test_every_class_is_in_the_table_of_the_proof() -> None:
    assert set(KINDS) == set(algorithms.NAMES)


class Constant(Bigrams):
    """Forgets to hand the argument on."""

    def logprobs(self, batch: Rollout, *, entropy_gradient: bool = False) -> TokenLogProbs:
        return super().logprobs(batch)


def test_entropies_without_gradient_are_refused() -> None:
    algorithm = make("GRPO", Option({"entropy_bonus": EntropyBonus(0.1)}))
    algorithm.policy = Constant()
    with pytest.raises(RuntimeError, match=r"Constant\.logprobs returned constants; hand its entropy_gradient"):
        learn(algorithm)


@pytest.mark.parametrize("correction", [TokenTruncation(), SequenceMask()])
def test_a_correction_of_a_sampler_that_does_not_tell_is_refused(correction: Any) -> None:
    algorithm = make("GRPO", Option({"sampler_correction": correction}))
    with pytest.raises(RuntimeError, match=f"{type(correction).__name__} needs .* and Scripted gave none"):
        learn(algorithm)


@pytest.mark.parametrize("wrong", [lambda loss: loss[:, :1].T, lambda loss: loss.sum(), lambda loss: loss[:, 1:]])
def test_a_surrogate_of_another_shape_is_refused(wrong: Callable) -> None:
    algorithm = make("GRPO", "plain")
    surrogate = algorithm.surrogate
    algorithm.surrogate = lambda logprobs, batch: wrong(surrogate(logprobs, batch))
    with pytest.raises(ValueError, match=r"surrogate\(\) returned .* expected \(B, T\) = \(32, \d\) or \(B, 1\)"):
        learn(algorithm)


def run(name: str) -> tuple[Rollout, np.ndarray]:
    keep = Keep()
    learn(make("GRPO", name), callbacks=[keep])
    return keep.rollout, keep.scores.total.double().numpy()


def normalized(rewards: np.ndarray) -> np.ndarray:
    return (rewards - rewards.mean()) / (rewards.std(ddof=1) + 1e-4)


def test_masked_rows_are_as_if_they_had_not_been_sampled() -> None:
    rollout, rewards = run("mask truncated")
    truncated = rollout.truncated.view(8, 4).numpy()
    assert set(truncated.sum(1)) > {0, 4}
    expected = np.zeros((8, 4))
    for n, kept in enumerate(~truncated):
        if kept.sum() > 1 and np.ptp(rewards[n, kept]) > 0:
            expected[n, kept] = normalized(rewards[n, kept])
    np.testing.assert_allclose(rollout.advantages.view(8, 4), expected, atol=1e-5)
    # A mean over the rows that are left: each of their tokens weighs 1 / (rows x its completion's tokens).
    lengths = rollout.completion_mask.sum(1).numpy()
    for row, (length, gone) in enumerate(zip(lengths, truncated.flat, strict=True)):
        weight = 0.0 if gone or not length else 1 / ((~truncated).sum() * length)
        np.testing.assert_allclose(rollout.weights[row, :length], weight, rtol=1e-6)
    assert not rollout.loss_mask[rollout.truncated].any()


def test_counted_they_stay_in_statistics_and_denominator() -> None:
    rollout, rewards = run("count masked")
    plain, same = run("plain")
    np.testing.assert_array_equal(rewards, same)
    assert torch.equal(rollout.advantages, plain.advantages)
    expected = plain.weights.masked_fill(rollout.truncated.unsqueeze(1), 0.0)
    assert torch.equal(rollout.weights, expected)
    assert rollout.weights.sum() < plain.weights.sum()


@pytest.mark.parametrize(
    ("kind", "count_masked"),
    drawn(
        {f"{kind}-{counted}": (kind, counted) for kind in KINDS for counted in (False, True)},
        {"GRPO-True", *(f"{kind}-False" for kind in KINDS)},
    ),
)
def test_a_rollout_that_is_all_truncated_teaches_nothing(kind: str, count_masked: bool) -> None:
    arguments = {"mask_truncated": True, "count_masked": count_masked, **TWICE, "sampler_correction": TokenTruncation()}
    if kind not in ("GSPO", "LUSPO", "RLOO"):
        arguments["top_entropy_share"] = 0.5
    algorithm = make(kind, Option({**arguments, "entropy_bonus": EntropyBonus(0.1), "off_policy_threshold": 0.1}))
    algorithm.sampler = Scripted(noisy=True)
    algorithm.sampler.truncated = range(8)  # prompts, so all of them
    before = algorithm.policy.table.detach().clone()
    gradient = learn(algorithm)
    assert torch.equal(gradient, torch.zeros_like(gradient))
    assert torch.equal(algorithm.policy.table, before)


def test_the_surest_tokens_are_left_out_and_stay_in_the_denominator() -> None:
    class Watch(pl.Callback):
        def on_train_batch_start(self, trainer, pl_module, batch, batch_idx) -> None:
            with torch.no_grad():
                self.entropy = pl_module.policy.logprobs(batch).entropy
            self.batch = batch

    watch = Watch()
    learn(make("GRPO", "top entropy"), callbacks=[watch])
    mask, kept = watch.batch.completion_mask, watch.batch.entropy_mask
    assert not kept[~mask].any()
    assert 0.4 <= kept.sum() / mask.sum() < 0.55  # tokens after the same token have one entropy
    assert watch.entropy[kept].min() > watch.entropy[mask & ~kept].max()
    torch.testing.assert_close(watch.batch.weights.sum(), torch.tensor(31 / 32))  # one completion is empty


def test_an_option_left_alone_costs_nothing() -> None:
    keep = Keep()
    learn(make("BNPO", "plain"), callbacks=[keep])
    unused = (keep.rollout.old_logprobs, keep.rollout.reference_logprobs, keep.rollout.sampler_correction)
    assert unused == (None, None, None)
    assert isinstance(make("BNPO", "plain"), BNPO)


@pytest.mark.parametrize("truncation", [{"top_k": 5}, {"top_p": 0.9}, {"min_p": 0.1}])
def test_samples_of_a_truncated_distribution_need_a_correction(truncation: dict[str, Any]) -> None:
    sampler = DynamicSampling(SharedPrefixSampler(group_size=2, max_tokens=4, **truncation), CorrectAnswer(), keep=2)
    for one in (sampler, sampler.sampler):
        with pytest.raises(ValueError, match=r"samples of a truncated distribution .* sampler_correction"):
            GRPO(tiny_policy(), CorrectAnswer(), one)
        GRPO(tiny_policy(), CorrectAnswer(), one, sampler_correction=TokenTruncation())
    evaluating = sampler.sampler.replace(group_size=1)
    GRPO(tiny_policy(), CorrectAnswer(), SharedPrefixSampler(2, 4), validation_sampler=evaluating)
    with pytest.raises(ValueError, match=r"top_k of at least 1 or None, top_p in \(0, 1\] and min_p in \[0, 1\)"):
        SharedPrefixSampler(2, 4, **dict.fromkeys(truncation, -1))
