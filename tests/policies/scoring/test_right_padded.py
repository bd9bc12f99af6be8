"""Right-padded rows score as padded rows do: numbers, entropies and gradients."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
import torch
from transformers import (
    Gemma2Config,
    Gemma2ForCausalLM,
    GPT2Config,
    GPT2LMHeadModel,
    MistralConfig,
    MistralForCausalLM,
)

from rlframework.completions import Completion, Completions
from rlframework.policies import CausalLMPolicy
from rlframework.policies.lm_head import TiledHead
from rlframework.policies.scoring.base import find_fault
from rlframework.policies.scoring.right_padded import RightPadded
from rlframework.prompt import Prompt
from rlframework.rollout import Rollout
from rlframework.testing import letter_tokenizer, tiny_policy
from tests.policies.as_padded import assert_as_padded

TOKENIZER = letter_tokenizer()
SIZES = {"vocab_size": len(TOKENIZER), "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 2}
HEADS = {"num_attention_heads": 2, "num_key_value_heads": 1, "initializer_range": 0.4, "max_position_embeddings": 64}


def gpt2() -> CausalLMPolicy:
    sizes = {"vocab_size": len(TOKENIZER), "n_embd": 16, "n_layer": 2, "n_head": 2, "n_positions": 64}
    return CausalLMPolicy(GPT2LMHeadModel(GPT2Config(**sizes, initializer_range=0.4)).eval(), TOKENIZER)


def sliding() -> CausalLMPolicy:
    return CausalLMPolicy(MistralForCausalLM(MistralConfig(**SIZES, **HEADS, sliding_window=4)).eval(), TOKENIZER)


def capped() -> CausalLMPolicy:
    """Return a model whose logits are more than a product: its head is not taken apart."""
    config = Gemma2Config(**SIZES, **HEADS, head_dim=8, final_logit_softcapping=2.0, sliding_window=4)
    policy = CausalLMPolicy(Gemma2ForCausalLM(config).eval(), TOKENIZER)
    assert not TiledHead.fits(policy.model)
    return policy


def rollout(rows: list[tuple[int, int]], temperature: float = 0.7) -> Rollout:
    """Return rows of so many prompt and completion tokens."""
    generator = torch.Generator().manual_seed(1)

    def draw(count: int) -> list[int]:
        return torch.randint(3, len(TOKENIZER), (count,), generator=generator).tolist()

    done = [Completion(Prompt(draw(prompt), ""), draw(answer), "", "stop") for prompt, answer in rows]
    return Rollout.of(Completions(done, 1), pad_id=0, temperature=temperature)


RAGGED = [(9, 3), (1, 12), (4, 1), (12, 6), (2, 0)]


# In float64 a rounding of one machine is no difference. Padded rows of Gemma 2 are NaN there, and its logits small.
@pytest.mark.parametrize(
    ("make", "precision", "tolerance"),
    [
        (tiny_policy, torch.float64, 1e-12),
        (gpt2, torch.float64, 1e-12),
        (sliding, torch.float64, 1e-12),
        (capped, torch.float32, 2e-6),
    ],
)
@pytest.mark.parametrize("rows", [RAGGED, RAGGED[:1], [(3, 5), (3, 5)], [(1, 1)]])
def test_it_scores_as_padded_rows_do(
    make: Callable[[], CausalLMPolicy], precision: torch.dtype, tolerance: float, rows: list[tuple[int, int]]
) -> None:
    torch.manual_seed(0)
    policy = make().to(precision)
    assert_as_padded(policy, rollout(rows), partial(RightPadded().score, policy), atol=tolerance, rtol=tolerance)


@pytest.mark.parametrize("make", [tiny_policy, capped])
def test_the_model_gets_no_mask_and_no_padding_in_front(make: Callable[[], CausalLMPolicy]) -> None:
    policy, seen = make(), []
    body = policy.model.base_model
    body.register_forward_pre_hook(lambda _, args, named: seen.append((args, named)), with_kwargs=True)
    batch = rollout(RAGGED)
    RightPadded().score(policy, batch)
    [(_, named)] = seen
    assert named.get("attention_mask") is None
    ids = named["input_ids"]
    assert ids.shape == (5, 18), "the longest row has 12 + 6 tokens"
    for row, (prompt, answer) in enumerate(RAGGED):
        real = batch.prompt_ids[row][batch.prompt_mask[row]].tolist()
        assert ids[row, :prompt].tolist() == real
        assert ids[row, prompt : prompt + answer].tolist() == batch.completion_ids[row, :answer].tolist()


def test_a_model_that_looks_behind_is_found_out() -> None:
    policy = tiny_policy()
    norm = policy.model.model.norm
    norm.register_forward_hook(lambda _, __, states: states + states.mean(1, keepdim=True))
    assert "log-probabilities differ by" in find_fault(policy, RightPadded(), rollout([(2, 3), (6, 2)]))


@pytest.mark.parametrize(
    ("rows", "reason"), [([(3, 0), (2, 0)], "no token of a minibatch is scored"), ([(0, 2), (1, 2)], "a prompt")]
)
def test_rows_that_predict_nothing_are_left_to_others(rows: list[tuple[int, int]], reason: str) -> None:
    assert reason in RightPadded().why_not(tiny_policy(), rollout(rows))
