"""The table: its log-probabilities and gradients in closed form, and that sampling and learning agree."""

from __future__ import annotations

import pytest
import torch

from rlframework import BatchedSampler
from rlframework.prompt import Prompt
from rlframework.rollout import Rollout
from rlframework.testing import TablePolicy

V = 8


def test_a_token_is_scored_by_the_row_of_the_token_before_it() -> None:
    table = torch.randn(V, V, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    policy = TablePolicy(table)
    prompts = [Prompt(policy.tokenizer(text)["input_ids"], text, {}, i) for i, text in enumerate(["a", "cab"])]
    sampled = BatchedSampler(group_size=3, max_tokens=4, temperature=0.7).sample(policy, prompts)
    rollout = Rollout.of(sampled, pad_id=policy.pad_id, temperature=0.7)
    scored = policy.logprobs(rollout).logprobs
    assert scored.dtype == torch.float64
    logprobs = (table / 0.7).log_softmax(-1)
    for row, scores in zip(sampled, scored, strict=True):
        previous = [row.prompt.ids[-1], *row.ids]
        expected = [logprobs[p, t].item() for p, t in zip(previous, row.ids, strict=False)]
        assert scores[: len(row.ids)].tolist() == pytest.approx(expected)
        assert row.logprobs == pytest.approx(expected, abs=1e-5)


def test_its_gradient_is_one_hot_minus_probabilities() -> None:
    policy = TablePolicy(torch.zeros(V, V))
    sampled = BatchedSampler(group_size=2, max_tokens=1).sample(policy, [Prompt([3], "a")])
    rollout = Rollout.of(sampled, pad_id=policy.pad_id)
    policy.logprobs(rollout).logprobs[0, 0].backward()
    expected = torch.zeros(V, V)
    expected[3] = -1 / V
    expected[3, sampled.rows[0].ids[0]] += 1
    torch.testing.assert_close(policy.table.grad, expected)


def test_its_reference_is_frozen_and_stays() -> None:
    policy = TablePolicy(torch.ones(V, V))
    reference = policy.reference()
    with torch.no_grad():
        policy.table.zero_()
    assert torch.equal(reference.table, torch.ones(V, V))
    assert not reference.table.requires_grad


def test_a_table_of_another_shape_is_refused() -> None:
    with pytest.raises(ValueError, match=r"5 letters make a vocabulary of 8; got a table of \(4, 4\)"):
        TablePolicy(torch.zeros(4, 4))
