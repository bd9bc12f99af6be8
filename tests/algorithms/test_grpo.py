"""GRPO on a table of logits: the gradient in closed form, on-policy ratios, clipping, and that it learns."""

from __future__ import annotations

import doctest
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import Tensor

from rlframework import GRPO, BatchedSampler, PolicyGradient, Rollout
from rlframework.completions import Completion, Completions
from rlframework.prompt import Prompt
from rlframework.rewards import RowReward
from rlframework.testing import TablePolicy
from rlframework.testing.algorithms.script import Identity
from rlframework.testing.algorithms.trial import V, WatchedTable, random_table, train
from rlframework.testing.table import LETTERS

FIRST = V - len(LETTERS)  # the pad token, the end and the unknown come before the letters


class Alphabet(RowReward):
    """Pays for early letters and for length, so that rewards differ within a group."""

    def score_row(self, completion: Completion) -> float:
        return len(completion.ids) - 0.1 * sum(completion.ids)


def blank() -> WatchedTable:
    """Return a policy without preferences."""
    return WatchedTable(torch.zeros(V, V))


class Watched(GRPO):
    """GRPO that remembers the ratios of the tokens of every minibatch."""

    def diagnostics(self, logprobs: Tensor, batch: Rollout) -> dict[str, Tensor]:
        ratio = self.log_ratio(logprobs, batch).exp()
        self.ratios = [*getattr(self, "ratios", []), ratio[batch.completion_mask]]
        return super().diagnostics(logprobs, batch)


def closed_form(rollout: Rollout, rows: slice, table: Tensor, reference: Tensor, kl_coefficient: float) -> np.ndarray:
    """Return the gradient of GRPO's loss at ratio 1, from the formula and without autograd.

    ``d log softmax(z / tau)_y / dz = (onehot_y - p) / tau``; the loss is ``1/B sum_i 1/n_i sum_t (-A_i rho + beta K)``,
    with ``d rho / d log pi = 1`` and ``dK / d log pi = 1 - pi_ref / pi``.
    """
    tau, G = rollout.temperature, rollout.group_size
    rewards = rollout.rewards.numpy().astype(float).reshape(-1, G)
    advantages = (rewards - rewards.mean(1, keepdims=True)) / (rewards.std(1, ddof=1, keepdims=True) + 1e-4)
    gradient = np.zeros(table.shape)
    chosen = range(len(rollout))[rows]
    for i in chosen:
        tokens = rollout.completion_ids[i][rollout.completion_mask[i]].tolist()
        for x, y in zip([int(rollout.prompt_ids[i, -1]), *tokens], tokens, strict=False):
            p, q = (np.exp(t[x].numpy() / tau) for t in (table, reference))
            p, q = p / p.sum(), q / q.sum()
            slope = -advantages.flat[i] + kl_coefficient * (1 - q[y] / p[y])
            gradient[x] += slope * (np.eye(V)[y] - p) / tau / (len(chosen) * len(tokens))
    return gradient


@pytest.mark.parametrize("kl_coefficient", [0.0, 0.3])
@pytest.mark.parametrize("minibatches", [1, 2])
def test_the_first_gradient_is_the_closed_form(kl_coefficient: float, minibatches: int) -> None:
    policy, table, reference = WatchedTable(random_table(0)), random_table(1), random_table(0)
    sampler = BatchedSampler(group_size=6, max_tokens=4, temperature=0.7)
    sizes = {"prompts_per_rollout": 4, "minibatches_per_rollout": minibatches}
    algorithm = GRPO(policy, Alphabet(), sampler, kl_coefficient=kl_coefficient, schedule="constant", **sizes)
    with torch.no_grad():
        policy.table.copy_(table)  # so that policy and reference differ

    record = train(algorithm)

    rollout = record.collected[0].rollout
    assert len(set(rollout.completion_mask.sum(1).tolist())) > 1
    first = slice(0, 24 // minibatches)
    expected = closed_form(rollout, first, table, reference, kl_coefficient)
    assert np.abs(expected).max() > 0.01
    np.testing.assert_allclose(record.gradient, expected, atol=1e-6)
    # A KL term moves the gradient by more than the tolerance: the test sees it.
    if kl_coefficient:
        assert np.abs(expected - closed_form(rollout, first, table, reference, 0.0)).max() > 1e-3


def test_it_learns_to_repeat_the_prompt() -> None:
    sampler = BatchedSampler(group_size=8, max_tokens=1)
    algorithm = GRPO(
        blank(), Identity(), sampler, prompts_per_rollout=5, learning_rate=0.2, schedule="constant", kl_coefficient=0.0
    )
    rewards = train(algorithm, steps=80, rollouts_per_epoch=20).rewards
    assert len(rewards) == 80
    assert np.mean(rewards[:3]) < 0.3  # chance is 1 in 8
    assert np.mean(rewards[-10:]) > 0.95
    assert algorithm.policy.table[FIRST:, FIRST:].argmax(1).tolist() == list(range(len(LETTERS)))


def test_one_step_on_a_rollout_is_on_policy() -> None:
    algorithm = Watched(blank(), Identity(), BatchedSampler(4, 3), prompts_per_rollout=5, learning_rate=0.5)
    record = train(algorithm, steps=3, rollouts_per_epoch=20)
    assert all(collected.rollout.old_logprobs is None for collected in record.collected)
    assert len(algorithm.ratios) == 3
    assert all(torch.equal(ratio, torch.ones_like(ratio)) for ratio in algorithm.ratios)


@pytest.mark.parametrize("sizes", [{"minibatches_per_rollout": 2}, {"passes_per_rollout": 2}])
def test_only_the_first_of_several_steps_is(sizes: dict[str, int]) -> None:
    options = {"prompts_per_rollout": 4, "learning_rate": 0.5, "schedule": "constant", **sizes}
    # At temperature 0.7, so that log-probabilities at another temperature would show as a ratio.
    algorithm = Watched(WatchedTable(random_table(0)), Alphabet(), BatchedSampler(4, 3, temperature=0.7), **options)
    assert len(train(algorithm, steps=4, rollouts_per_epoch=20).collected) == 2
    first, second, third, fourth = algorithm.ratios
    for fresh in (first, third):
        torch.testing.assert_close(fresh, torch.ones_like(fresh), rtol=1e-6, atol=1e-6)  # the old ones are float32
    if "passes_per_rollout" in sizes:  # the same prompts again, whose rows of the table have moved
        assert (second - 1).abs().max() > 0.1
        assert (fourth - 1).abs().max() > 0.1


def batch(ratios: Sequence[Sequence[float]], advantages: Sequence[float]) -> tuple[Tensor, Rollout]:
    """Return log-probabilities and the rollout whose old ones make these ratios."""
    rows = [Completion(Prompt([FIRST], "a"), [FIRST] * len(ratios[0]), "", "stop") for _ in ratios]
    rollout = Rollout.of(Completions(rows, len(rows)), pad_id=0)
    rollout.advantages = torch.tensor(advantages).view(-1, 1)
    rollout.old_logprobs = torch.full((len(rows), len(ratios[0])), -1.0)
    return torch.tensor(ratios).log() - 1.0, rollout


def test_clipping_and_its_diagnostics() -> None:
    algorithm = GRPO(TablePolicy(), Identity(), BatchedSampler(2, 3), clip_low=0.2, clip_high=0.5)
    logprobs, rollout = batch([[0.7, 1.3, 1.6], [0.7, 1.3, 1.6]], advantages=[1.0, -1.0])
    losses = algorithm.surrogate(logprobs, rollout)
    torch.testing.assert_close(losses, torch.tensor([[-0.7, -1.3, -1.5], [0.8, 1.3, 1.6]]))
    shares = algorithm.diagnostics(logprobs, rollout)
    assert shares["clip_fraction_low"].tolist() == [[0.0, 0.0, 0.0], [1.0, 0.0, 0.0]]
    assert shares["clip_fraction_high"].tolist() == [[0.0, 0.0, 1.0], [0.0, 0.0, 0.0]]


def test_the_upper_bound_is_by_default_as_far_as_the_lower() -> None:
    algorithm = GRPO(TablePolicy(), Identity(), BatchedSampler(2, 3), clip_low=0.1)
    assert (algorithm.clip_low, algorithm.clip_high) == (0.1, 0.1)
    assert GRPO(TablePolicy(), Identity(), BatchedSampler(2, 3)).clip_high == 0.2
    assert GRPO(TablePolicy(), Identity(), BatchedSampler(2, 3), clip_high=0.0).clip_high == 0.0


def test_the_example_of_the_docstring_trains() -> None:
    namespace = {"GRPO": GRPO}
    for example in doctest.DocTestParser().get_examples(GRPO.__doc__):
        exec(example.source, namespace)
    options = {"prompts_per_rollout": 5, "learning_rate": 0.2, "schedule": "constant"}
    algorithm = namespace["Unscaled"](blank(), Identity(), BatchedSampler(8, 4), **options)
    record = train(algorithm, steps=40, rollouts_per_epoch=20)
    rollout = record.collected[0].rollout
    rewards = rollout.rewards.view(5, 8)
    torch.testing.assert_close(rollout.advantages.view(5, 8), rewards - rewards.mean(1, keepdim=True))
    assert np.mean(record.rewards[-5:]) > np.mean(record.rewards[:3]) + 0.5


def test_a_reference_is_kept_only_for_a_kl_term() -> None:
    assert GRPO(TablePolicy(), Identity(), BatchedSampler(2, 3)).reference is None
    assert GRPO(TablePolicy(), Identity(), BatchedSampler(2, 3), kl_coefficient=0.1).reference is not None


def test_refusals() -> None:
    arguments = TablePolicy(), Identity(), BatchedSampler(2, 3)
    with pytest.raises(TypeError, match="abstract"):
        PolicyGradient(*arguments)
    with pytest.raises(TypeError, match="loss_type"):
        GRPO(*arguments, loss_type="grpo")
    with pytest.raises(ValueError, match="group_size=1"):
        GRPO(TablePolicy(), Identity(), BatchedSampler(1, 3))
    with pytest.raises(ValueError, match="temperature=0"):
        GRPO(TablePolicy(), Identity(), BatchedSampler(2, 3, temperature=0.0))
    with pytest.raises(ValueError, match=r"must not be negative, got -0\.1"):
        GRPO(*arguments, kl_coefficient=-0.1)
