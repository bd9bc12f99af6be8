"""In-process sampling: what a row depends on, where it ends, and that it follows the model's distribution."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable

import numpy as np
import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel, Qwen3Config, Qwen3ForCausalLM

from rlframework import BatchedSampler, CausalLMPolicy
from rlframework.completions import Completion, Completions
from rlframework.functional.logprobs import token_logprobs
from rlframework.policies import Policy
from rlframework.prompt import Prompt
from rlframework.rollout import Rollout
from rlframework.testing import letter_prompts, letter_tokenizer, tiny_policy

TOKENIZER = letter_tokenizer()
EOS = TOKENIZER.eos_token_id


class Counting(Policy):
    """Says the token that follows the last one, for sure: a, b, c, ..."""

    def __init__(self, ends: Iterable[int] = (EOS,)) -> None:
        super().__init__(TOKENIZER)
        self.ends = frozenset(ends)
        self.table = torch.nn.Parameter(torch.eye(len(TOKENIZER)).roll(1, 1) * 100)

    def logprobs(self, batch: Rollout):
        before = torch.cat([batch.prompt_ids[:, -1:], batch.completion_ids[:, :-1]], dim=1)
        return token_logprobs(self.table[before], batch.completion_ids, batch.temperature)

    def next_logits(self, ids: torch.Tensor, mask: torch.Tensor, cache=None):
        return self.table[ids[:, -1]], None

    @property
    def eos_ids(self) -> frozenset[int]:
        return self.ends


def spell(text: str) -> list[int]:
    return TOKENIZER(text)["input_ids"]


def ids_of(rows: Iterable[Completion]) -> list[list[int]]:
    return [row.ids for row in rows]


PROMPTS = letter_prompts(7)


def by_prompt(prompts: list[Prompt], group_size: int = 3, **options) -> dict[int, list[list[int]]]:
    """Sample and file the completions under their prompt's index."""
    step = options.pop("step", 5)
    completions = BatchedSampler(group_size, options.pop("max_tokens", 12), **options).sample(
        tiny_policy(), prompts, step=step
    )
    return {group[0].prompt.index: ids_of(group) for group in completions.groups()}


def test_groups_stand_together_in_the_order_of_the_prompts() -> None:
    completions = BatchedSampler(group_size=3, max_tokens=4).sample(tiny_policy(), PROMPTS)
    assert [row.prompt.index for row in completions] == [i for i in range(7) for _ in range(3)]
    assert completions.group_size == 3


def test_the_prompts_around_a_prompt_do_not_matter() -> None:
    assert len({len(prompt.ids) for prompt in PROMPTS}) > 1
    together = by_prompt(PROMPTS)
    assert len({len(ids) for group in together.values() for ids in group}) > 1
    assert by_prompt(PROMPTS[::-1]) == together
    assert by_prompt([PROMPTS[i] for i in (4, 0, 6)]) == {i: together[i] for i in (4, 0, 6)}
    for prompt in PROMPTS:
        assert by_prompt([prompt]) == {prompt.index: together[prompt.index]}


def test_more_rows_or_tokens_leave_the_first_as_they_are() -> None:
    small = by_prompt(PROMPTS)
    assert {i: group[:3] for i, group in by_prompt(PROMPTS, group_size=5).items()} == small
    shorter = by_prompt(PROMPTS, max_tokens=4)
    assert shorter == {i: [ids[:4] for ids in group] for i, group in small.items()}


def test_a_seed_repeats_and_anything_else_draws_anew() -> None:
    first = by_prompt(PROMPTS)
    assert by_prompt(PROMPTS) == first
    assert by_prompt(PROMPTS, step=6) != first
    assert by_prompt(PROMPTS, seed=1) != first
    assert by_prompt(PROMPTS, seed=5, step=0) != by_prompt(PROMPTS, seed=0, step=5)
    assert all(len({tuple(ids) for ids in group}) == 3 for group in first.values())  # rows of a group
    twin = Prompt(PROMPTS[0].ids, PROMPTS[0].text, index=99)
    assert by_prompt([twin])[99] != first[0]


def test_a_completion_ends_with_its_first_end_token() -> None:
    # a -> b c d e ...: with the ends d and f the first prompt stops at d, the second at f, the third is cut.
    ends = [*spell("d"), *spell("f")]
    prompts = [Prompt(spell(text), text, index=i) for i, text in enumerate(["xa", "d", "gh"])]
    rows = list(BatchedSampler(1, max_tokens=4).sample(Counting(ends), prompts))
    assert ids_of(rows) == [spell("bcd"), spell("ef"), spell("ijkl")]
    assert [row.text for row in rows] == ["bc", "e", "ijkl"]
    assert [row.stop_reason for row in rows] == ["stop", "stop", "length"]
    assert [row.truncated for row in rows] == [False, False, True]
    assert [len(row.logprobs) for row in rows] == [3, 2, 4]


def test_an_end_token_at_the_very_end_of_the_budget_is_a_stop() -> None:
    prompts = [Prompt(spell("a"), "a")]
    (on_time,) = BatchedSampler(1, max_tokens=3).sample(Counting(spell("d")), prompts)
    (too_late,) = BatchedSampler(1, max_tokens=2).sample(Counting(spell("d")), prompts)
    assert (on_time.ids, on_time.text, on_time.stop_reason) == (spell("bcd"), "bc", "stop")
    assert (too_late.ids, too_late.text, too_late.stop_reason) == (spell("bc"), "bc", "length")


def test_a_completion_may_be_its_end_token_alone() -> None:
    (row,) = BatchedSampler(1, max_tokens=3).sample(Counting(spell("b")), [Prompt(spell("a"), "a")])
    assert (row.ids, row.text, row.stop_reason) == (spell("b"), "", "stop")


def test_a_policy_without_end_tokens_uses_its_budget() -> None:
    (row,) = BatchedSampler(1, max_tokens=5).sample(Counting(ends=()), [Prompt(spell("a"), "a")])
    assert (row.ids, row.stop_reason) == (spell("bcdef"), "length")


def test_the_end_token_of_the_prompt_does_not_end_the_completion() -> None:
    (row,) = BatchedSampler(1, max_tokens=2).sample(Counting(spell("a")), [Prompt(spell("a"), "a")])
    assert row.ids == spell("bc")


@pytest.mark.parametrize("max_tokens", [1, 9])
def test_stop_reasons_and_lengths_agree(max_tokens: int) -> None:
    rows = list(BatchedSampler(group_size=40, max_tokens=max_tokens).sample(tiny_policy(), PROMPTS))
    assert {row.stop_reason for row in rows} == {"stop", "length"}
    for row in rows:
        assert 1 <= len(row.ids) == len(row.logprobs) <= max_tokens
        assert (row.ids[-1] == EOS) == (row.stop_reason == "stop")
        assert EOS not in row.ids[:-1]
        assert len(row.ids) == max_tokens or row.stop_reason == "stop"


def test_greedy_equals_transformers_generate() -> None:
    policy, sampler = tiny_policy(), BatchedSampler(group_size=2, max_tokens=15, temperature=0.0)
    for prompt, group in zip(PROMPTS, sampler.sample(policy, PROMPTS).groups(), strict=True):
        ids = torch.tensor([prompt.ids])
        output = policy.model.generate(ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=15)
        assert ids_of(group) == [output[0, len(prompt.ids) :].tolist()] * 2
        assert group[0].logprobs == [0.0] * len(group[0].ids)


@pytest.mark.parametrize("temperature", [1.0, 0.6])
def test_completions_follow_the_distribution_of_the_model(temperature: float) -> None:
    """Compare the counts of all completions of up to two of five tokens with their exact probabilities."""
    sizes = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "head_dim": 4}
    heads = {"num_attention_heads": 2, "num_key_value_heads": 1}
    torch.manual_seed(0)
    config = Qwen3Config(vocab_size=5, initializer_range=0.2, pad_token_id=0, eos_token_id=EOS, **sizes, **heads)
    policy, prompt = CausalLMPolicy(Qwen3ForCausalLM(config), letter_tokenizer("ab")), Prompt(spell("ab"), "ab")
    outcomes = [(EOS,), *((a, b) for a, b in itertools.product(range(5), repeat=2) if a != EOS)]
    rows = [Completion(prompt, list(outcome), "", "stop") for outcome in outcomes]
    everything = Rollout.of(Completions(rows, 1), pad_id=0, temperature=temperature)
    with torch.no_grad():
        exact = (policy.logprobs(everything).logprobs * everything.completion_mask).sum(1).exp().double()
    assert exact.sum().item() == pytest.approx(1.0, abs=1e-5)

    draws = 6000
    sampled = BatchedSampler(draws, max_tokens=2, temperature=temperature).sample(policy, [prompt])
    counts = torch.bincount(torch.tensor([outcomes.index(tuple(row.ids)) for row in sampled]), minlength=len(outcomes))
    assert (exact * draws).min() > 5
    chi_square = ((counts - exact * draws) ** 2 / (exact * draws)).sum().item()
    assert chi_square < 45.31  # the 0.999 quantile with 20 degrees of freedom


def test_a_prompt_that_leaves_no_room_is_refused() -> None:
    prompts = [Prompt([5] * 10, "", index=3), Prompt([5] * 60, "", index=8)]
    with pytest.raises(ValueError, match=r"prompt 8 has 60 tokens; with max_tokens=5 .* the 64 positions"):
        BatchedSampler(2, max_tokens=5).sample(tiny_policy(), prompts)
    assert len(BatchedSampler(2, max_tokens=4).sample(tiny_policy(), prompts)) == 4


def test_an_empty_prompt_is_refused() -> None:
    with pytest.raises(ValueError, match="a prompt has no tokens"):
        BatchedSampler(2, max_tokens=5).sample(tiny_policy(), [Prompt([5], "c"), Prompt([], "")])


def test_progress_is_told() -> None:
    sampler, told = BatchedSampler(1, max_tokens=5), []
    sampler.progress = lambda done, unfinished: told.append((done, unfinished))
    sampler.sample(Counting(spell("d")), [Prompt(spell(text), text) for text in "abc"])
    assert told == [(1, 2), (2, 1), (3, 0)]  # c ends after one token, b after two, a after three; then nothing is left


def test_the_global_random_states_are_left_alone() -> None:
    before = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()
    BatchedSampler(4, max_tokens=6).sample(tiny_policy(), PROMPTS)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert (np.random.get_state()[1] == before[1]).all()
    assert random.getstate() == before[2]


def test_sampling_makes_no_graph_and_keeps_the_mode() -> None:
    policy = tiny_policy().train()
    BatchedSampler(2, max_tokens=3).sample(policy, PROMPTS)
    assert policy.training
    assert all(parameter.grad is None for parameter in policy.parameters())


def test_dropout_is_off_in_eval_mode() -> None:
    dropout = {"resid_pdrop": 0.5, "embd_pdrop": 0.5, "attn_pdrop": 0.5}
    config = GPT2Config(vocab_size=len(TOKENIZER), n_embd=16, n_layer=1, n_head=2, n_positions=64, **dropout)
    policy = CausalLMPolicy(GPT2LMHeadModel(config), TOKENIZER).eval()
    completions = BatchedSampler(4, max_tokens=6).sample(policy, PROMPTS)
    rollout = Rollout.of(completions, pad_id=policy.pad_id)
    with torch.no_grad():
        first, second = policy.logprobs(rollout).logprobs, policy.logprobs(rollout).logprobs
        shaken = policy.train().logprobs(rollout).logprobs
    assert torch.equal(first, second)
    torch.testing.assert_close(rollout.sampler_logprobs, first * rollout.completion_mask, atol=1e-5, rtol=0)
    assert (shaken - first).abs().max() > 1e-3
