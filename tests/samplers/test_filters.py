"""Groups without spread are left out, and no more prompts are sampled than it takes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from torch import nn

from rlframework import DAPO, BatchedSampler, Completion, Completions, DynamicSampling, GroupSampler
from rlframework.prompt import Prompt
from rlframework.report.evaluation import evaluate
from rlframework.rewards import Judgement, RewardLimits, RewardModel, RowReward
from rlframework.testing import letter_prompts, tiny_policy
from tests.conftest import FirstLetter


class Scripted(GroupSampler):
    """Answers with the row's number; writes down what it was asked."""

    def __init__(self) -> None:
        super().__init__(group_size=2, max_tokens=3)
        self.asked: list[tuple[list[int], int]] = []

    def sample(self, policy: Any, prompts: Sequence[Prompt], *, step: int = 0) -> Completions:
        self.asked.append(([prompt.index for prompt in prompts], step))
        return Completions([Completion(p, [row], str(row), "stop") for p in prompts for row in range(2)], 2)


class Uneven(RowReward):
    """Tells the rows of some prompts apart."""

    def __init__(self, *uneven: int) -> None:
        super().__init__()
        self.uneven = uneven

    def score_row(self, completion: Completion) -> float | None:
        if completion.prompt.index == 99:
            return None
        return float(completion.text) if completion.prompt.index in self.uneven else 0.1


class Nobody(nn.Module):
    """A policy that has no weights to be sharded."""


def prompts(*indices: int) -> list[Prompt]:
    return [Prompt([1], "?", {}, index) for index in indices]


def kept(completions: Completions) -> list[int]:
    assert all(len({row.prompt.index for row in group}) == 1 for group in completions.groups())
    return [group[0].prompt.index for group in completions.groups()]


@pytest.mark.parametrize(
    ("uneven", "expected", "batches"),
    [
        ((0, 1, 2, 3, 4, 5), [0, 1], 1),  # no more is asked than it takes
        ((1, 2), [1, 2], 2),
        ((1, 4), [1, 4], 3),
        ((5,), [5, 0], 3),  # the first group without spread fills the place
        ((), [0, 1], 3),
        ((0, 2, 3), [0, 2], 2),  # one too many: the first count
    ],
)
def test_groups_with_spread_come_first(uneven: tuple[int, ...], expected: list[int], batches: int) -> None:
    sampler = Scripted()
    found = DynamicSampling(sampler, Uneven(*uneven), keep=2).sample(Nobody(), prompts(*range(6)), step=7)
    assert kept(found) == expected
    assert sampler.asked == [([n, n + 1], 7) for n in (0, 2, 4)[:batches]]


def test_a_last_batch_may_be_short_and_a_group_that_nobody_judged_has_no_spread() -> None:
    sampler = Scripted()
    assert kept(DynamicSampling(sampler, Uneven(4), keep=2).sample(Nobody(), prompts(99, 3, 4))) == [4, 99]
    assert [asked for asked, _ in sampler.asked] == [[99, 3], [4]]


def test_too_few_prompts_are_refused() -> None:
    with pytest.raises(ValueError, match="1 prompts on this rank cannot give keep=2 groups; raise prompts_per_rollout"):
        DynamicSampling(Scripted(), Uneven(), keep=2).sample(Nobody(), prompts(0))
    with pytest.raises(ValueError, match="keep must be at least 1, got 0"):
        DynamicSampling(Scripted(), Uneven(), keep=0)


class Broken(RewardModel):
    """Its check fails on every prompt but those named."""

    def __init__(self, *sound: int) -> None:
        super().__init__()
        self.sound = sound

    def score(self, completions: Completions) -> Judgement:
        failed = torch.tensor([row.prompt.index not in self.sound for row in completions])
        scores = torch.tensor([float(row.text) for row in completions]).masked_fill(failed, math.nan)
        return Judgement(scores, errors=failed, detail="it broke")


def test_groups_whose_checks_fail_are_not_quietly_passed_over() -> None:
    """Without spread they are not kept, and so the algorithm never learns that four of six prompts fail."""
    with pytest.raises(RuntimeError, match=r"'broken' failed to check 8 of the latest 12 completions.*it broke"):
        DynamicSampling(Scripted(), Broken(3, 5), keep=2).sample(Nobody(), prompts(*range(6)))
    patient = DynamicSampling(Scripted(), Broken(3, 5), keep=2, reward_limits=RewardLimits(errors=0.9))
    assert kept(patient.sample(Nobody(), prompts(*range(6)))) == [3, 5]


def test_it_has_the_settings_of_the_sampler_inside() -> None:
    inner = BatchedSampler(group_size=4, max_tokens=8, temperature=0.7, seed=5)
    outer = DynamicSampling(inner, Uneven(), keep=3)
    assert (outer.group_size, outer.max_tokens, outer.temperature, outer.seed) == (4, 8, 0.7, 5)
    assert outer.groups_from(12) == 3


def test_validation_is_not_filtered() -> None:
    inner = BatchedSampler(group_size=4, max_tokens=8)
    evaluation = DynamicSampling(inner, Uneven(), keep=3).for_evaluation()
    assert type(evaluation) is BatchedSampler
    assert (evaluation.group_size, evaluation.temperature, evaluation.max_tokens) == (1, 0.0, 8)


def test_a_copy_is_changed_inside_and_outside() -> None:
    inner = BatchedSampler(group_size=4, max_tokens=8)
    outer = DynamicSampling(inner, Uneven(), keep=3)
    other = outer.replace(keep=5, max_tokens=16)
    assert (other.keep, other.max_tokens, other.sampler.max_tokens) == (5, 16, 16)
    assert (outer.keep, outer.max_tokens, inner.max_tokens) == (3, 8, 8)
    with pytest.raises(AttributeError, match="no setting 'beams'"):
        outer.replace(beams=3)


class Early(RowReward):
    """1 for a letter of the first half of the alphabet."""

    def score_row(self, completion: Completion) -> float:
        return float("a" <= completion.text[:1] <= "m")


@pytest.mark.parametrize("minibatches", [1, 3])
def test_a_run_learns_from_groups_with_spread(
    grpo: Callable, fit: Callable, recorder: Any, caplog: pytest.LogCaptureFixture, minibatches: int
) -> None:
    """A rollout is keep groups, of the same size every time, however many minibatches they are cut into."""
    inner = BatchedSampler(group_size=3, max_tokens=4)
    options = {"reward": Early(), "sampler": DynamicSampling(inner, Early(), keep=3), "prompts_per_rollout": 12}
    algorithm = grpo(kind=DAPO, minibatches_per_rollout=minibatches, **options)
    with caplog.at_level("INFO"):
        fit(algorithm, prompts=24, held_out=5, callbacks=[recorder], accumulate_grad_batches=minibatches)
    assert "A rollout is 3 prompts (chosen among 12) x 3 = 9 completions" in caplog.text
    assert [len(collected.completions) for collected in recorder.collected] == [9, 9]
    for collected in recorder.collected:
        rewards = collected.scores.total
        assert ((rewards.amax(1) - rewards.amin(1)) > 0).all()
        assert len(collected.rollout) == 9
    assert algorithm.trainer.callback_metrics["train/zero_std_groups"] == 0
    assert "val/accuracy" in algorithm.trainer.callback_metrics


def test_minibatches_that_do_not_divide_what_is_kept_are_refused_before_a_rollout(
    grpo: Callable, fit: Callable, recorder: Any
) -> None:
    sampler = DynamicSampling(BatchedSampler(group_size=3, max_tokens=4), Early(), keep=3)
    algorithm = grpo(kind=DAPO, sampler=sampler, prompts_per_rollout=12, minibatches_per_rollout=2)
    with pytest.raises(ValueError, match="3 groups cannot be cut into 2 minibatches"):
        fit(algorithm, callbacks=[recorder])
    algorithm = grpo(kind=DAPO, sampler=sampler, prompts_per_rollout=2)
    with pytest.raises(ValueError, match="DynamicSampling returns 3 groups, and a rank has 2 prompts"):
        fit(algorithm, callbacks=[recorder])
    assert recorder.collected == []


@pytest.mark.parametrize("changes", [{"group_size": 1, "temperature": 0.0}, {"temperature": 0.7}, {}])
def test_whatever_a_filter_is_replaced_by_evaluation_answers_every_prompt(grpo, fit, changes) -> None:
    sampler = DynamicSampling(BatchedSampler(group_size=2, max_tokens=3), FirstLetter(), keep=2)
    asked = letter_prompts(6)
    other = sampler.replace(**changes)
    assert (
        evaluate("all", tiny_policy(), asked, other, {"first": FirstLetter()}, batch_size=1).n == 6 * other.group_size
    )
    algorithm = grpo(sampler=BatchedSampler(group_size=2, max_tokens=3), validation_sampler=other)
    assert algorithm.validation_sampler.groups_from(6) == 6
    assert algorithm.validation_sampler.temperature == other.temperature


def test_a_filter_that_keeps_nothing_is_refused_however_it_is_made() -> None:
    sampler = DynamicSampling(BatchedSampler(group_size=2, max_tokens=3), FirstLetter(), keep=2)
    with pytest.raises(ValueError, match="keep must be at least 1, got 0"):
        sampler.replace(keep=0)
