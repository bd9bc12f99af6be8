"""The factor for the gap between sampler and policy, by hand and in a rollout."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from rlframework import RolloutCallback
from rlframework.loop.callback import RolloutRecord
from rlframework.terms import SamplerCorrection, SequenceMask, SequenceTruncation, TokenMask, TokenTruncation
from tests.distributed.reducer_runs import learn, make

NAN = math.nan
MASK = torch.tensor([[True, True, True], [True, True, False]])
# Ratios 4, 1/2, 1/8 with product 1/4, and 2, 2 with product 4; what is off the mask does not count.
OLD = torch.tensor([[4.0, 0.5, 0.125], [2.0, 2.0, 64.0]]).log()
SAME = torch.zeros(2, 3)


@pytest.mark.parametrize(
    ("correction", "expected"),
    [
        (TokenTruncation(), [[3.0, 0.5, 0.125], [2.0, 2.0, 1.0]]),
        (TokenTruncation(low=0.25, high=2.5), [[2.5, 0.5, 0.25], [2.0, 2.0, 1.0]]),
        (TokenTruncation(low=0.25, high=None), [[4.0, 0.5, 0.25], [2.0, 2.0, 1.0]]),
        (TokenMask(), [[0.0, 0.5, 0.125], [2.0, 2.0, 1.0]]),
        (TokenMask(low=0.25, high=2.5), [[0.0, 0.5, 0.0], [2.0, 2.0, 1.0]]),
        (SequenceTruncation(), [[0.25], [3.0]]),
        (SequenceTruncation(low=0.5, high=None), [[0.5], [4.0]]),
        (SequenceMask(), [[0.25], [0.0]]),
        (SequenceMask(low=0.5, high=5.0), [[0.0], [4.0]]),
    ],
)
def test_factors(correction: SamplerCorrection, expected: list[list[float]]) -> None:
    factor = correction.factor(OLD, SAME, MASK)
    torch.testing.assert_close(factor, torch.tensor(expected))
    assert correction.per_sequence == (factor.shape == (2, 1))


def test_a_token_of_unknown_probability_has_ratio_1() -> None:
    sampler = torch.tensor([[NAN, 0.0, 0.0], [0.0, 0.0, NAN]])
    torch.testing.assert_close(
        TokenTruncation().factor(OLD, sampler, MASK), torch.tensor([[1.0, 0.5, 0.125], [2.0, 2.0, 1.0]])
    )
    torch.testing.assert_close(SequenceTruncation().factor(OLD, sampler, MASK), torch.tensor([[0.0625], [3.0]]))


def test_a_ratio_that_overflows_is_bounded() -> None:
    gap, one = torch.tensor([[1000.0], [-1000.0]]), torch.ones(2, 1).bool()
    for correction, expected in ((TokenTruncation(0.5), [[3.0], [0.5]]), (SequenceMask(0.5), [[0.0], [0.0]])):
        assert correction.factor(gap, torch.zeros(2, 1), one).tolist() == expected
    # Without a bound from above it stays finite, so that an advantage of 0 makes no NaN.
    assert SequenceTruncation(low=0.5, high=None).factor(gap, torch.zeros(2, 1), one).isfinite().all()


@pytest.mark.parametrize("bounds", [{"high": None}, {"low": 1.5}, {"high": 0.9}, {"low": 1.1, "high": None}])
def test_bounds_that_leave_out_an_engine_that_agrees_are_refused(bounds: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="the bounds of a ratio must include 1, and one must be set"):
        TokenMask(**bounds)


class Keep(RolloutCallback):
    def on_rollout_end(self, trainer: Any, pl_module: Any, collected: RolloutRecord) -> None:
        self.rollout = collected.rollout


@pytest.mark.parametrize("option", ["token truncation", "sequence truncation"])
def test_in_a_rollout_it_is_the_policy_at_that_time_over_the_sampler(option: str) -> None:
    keep = Keep()
    learn(make("GRPO", option), callbacks=[keep])
    rollout = keep.rollout
    mask, sampler = rollout.completion_mask.numpy(), rollout.sampler_logprobs.double().numpy()
    assert np.isnan(sampler[mask]).any()
    gap = np.where(mask & ~np.isnan(sampler), rollout.old_logprobs.double().numpy() - sampler, 0.0)
    gap = gap if option.startswith("token") else gap.sum(1, keepdims=True)
    expected = np.exp(gap).clip(max=3.0)
    assert 0.1 < (expected == 3.0).mean() < 0.5 or option.startswith("token")
    np.testing.assert_allclose(rollout.sampler_correction.numpy(), expected, rtol=1e-4)


def test_a_sampler_that_is_the_policy_needs_no_correction(grpo: Callable, fit: Callable, recorder: Any) -> None:
    fit(grpo(sampler_correction=SequenceMask(low=0.99, high=1.01)), callbacks=[recorder], max_steps=1)
    factor = recorder.collected[0].rollout.sampler_correction
    torch.testing.assert_close(factor, torch.ones_like(factor), atol=1e-4, rtol=0)
