"""Reading a prompt once for its group gives what padded rows give, or is not done."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
import torch
from peft import LoraConfig
from transformers import CONFIG_MAPPING, AutoModelForCausalLM

from rlframework.completions import Completion, Completions
from rlframework.functional.logprobs import TokenLogProbs
from rlframework.policies import CausalLMPolicy
from rlframework.policies.scoring import tree_attention
from rlframework.policies.scoring.base import Scoring
from rlframework.policies.scoring.prefix_tree import PrefixTree
from rlframework.policies.scoring.tree_attention import TreeAttention
from rlframework.prompt import Prompt
from rlframework.rollout import Rollout
from rlframework.testing import letter_tokenizer
from tests.policies.as_padded import assert_as_padded

TOKENIZER = letter_tokenizer()
V = len(TOKENIZER)
SIZES = {"vocab_size": V, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4}
ROTARY = {**SIZES, "num_key_value_heads": 2, "max_position_embeddings": 64, "initializer_range": 0.3}
MOE = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16, "decoder_sparse_step": 1}
ARCHITECTURES: dict[str, dict[str, Any]] = {
    "qwen3": {**ROTARY, "head_dim": 8},
    "llama": ROTARY,
    "qwen2": ROTARY,
    "phi3": ROTARY,
    "olmo2": ROTARY,
    "smollm3": ROTARY,
    "qwen3_moe": {**ROTARY, **MOE, "head_dim": 8},
    "gpt2": {"vocab_size": V, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64, "initializer_range": 0.3},
}
# Not shared: what the head does more than multiply.
ARCHITECTURES_OF_HEADS = {"granite": ROTARY, "gemma2": {**ROTARY, "head_dim": 8}}
WINDOW = {"use_sliding_window": True, "sliding_window": 4}
NO_DROPOUT = {"resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0}


def make(
    kind: str,
    shared_prefix: bool = True,
    lora: LoraConfig | None = None,
    **changes: Any,
) -> CausalLMPolicy:
    special = {"pad_token_id": 0, "eos_token_id": 1, "bos_token_id": None}
    options = {
        **(ARCHITECTURES | ARCHITECTURES_OF_HEADS)[kind],
        **special,
        **(NO_DROPOUT if kind == "gpt2" else {}),
        **changes,
    }
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = AutoModelForCausalLM.from_config(CONFIG_MAPPING[kind](**options))
        return CausalLMPolicy(model, TOKENIZER, lora=lora, shared_prefix=shared_prefix).train()


def batch() -> Rollout:
    """Three groups of four: ragged prompts, ragged completions, one of a single token and one of none."""
    generator = torch.Generator().manual_seed(1)
    draw = lambda n: torch.randint(3, V, (n,), generator=generator).tolist()  # noqa: E731
    rows = []
    for index, size in enumerate((3, 9, 1)):
        prompt = Prompt(draw(size), "", index=index)
        lengths = [(7, 2, 1, 4), (5, 0, 12, 3), (1, 1, 6, 2)][index]
        rows += [Completion(prompt, draw(length), "", "stop") for length in lengths]
    return Rollout.of(Completions(rows, 4), pad_id=0, temperature=0.8)


def assert_same(policy: CausalLMPolicy, rollout: Rollout, atol: float = 1e-5, rtol: float = 1e-5) -> None:
    assert_as_padded(policy, rollout, policy.logprobs, atol, rtol)


def is_shared(policy: CausalLMPolicy, rollout: Rollout, monkeypatch: pytest.MonkeyPatch) -> bool:
    laid_out = []
    of = PrefixTree.of
    monkeypatch.setattr(PrefixTree, "of", lambda part, *trunk: (laid_out.append(len(part)), of(part, *trunk))[1])
    policy.logprobs(rollout)
    return len(rollout) in laid_out


@pytest.mark.parametrize("in_vain", [tree_attention.IN_VAIN, 0], ids=["a call for all", "a call each"])
@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_every_architecture_scores_a_tree_as_it_scores_rows(
    kind: str, in_vain: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tree_attention, "IN_VAIN", in_vain)
    policy, rollout = make(kind), batch()
    assert_same(policy, rollout)
    assert is_shared(policy, rollout, monkeypatch)


def test_an_adapter_learns_the_same() -> None:
    lora = LoraConfig(r=2, target_modules=["q_proj", "v_proj", "down_proj"], init_lora_weights=False)
    assert_same(make("qwen3", lora=lora), batch())


@pytest.mark.filterwarnings("ignore:None of the inputs have requires_grad")
@pytest.mark.parametrize("reentrant", [True, False])
def test_gradient_checkpointing_recomputes_the_same(reentrant: bool) -> None:
    policy = make("llama")
    policy.model.gradient_checkpointing_enable({"use_reentrant": reentrant})
    policy.model.enable_input_require_grads()
    assert_same(policy, batch())


def test_half_precision_is_as_near_as_it_can_be() -> None:
    policy, rollout = make("qwen3", initializer_range=0.1), batch()
    with torch.autocast("cpu", torch.bfloat16):
        assert_same(policy, rollout, atol=0.05, rtol=0.05)


def test_half_precision_scores_the_same_with_and_without_gradients() -> None:
    policy, rollout = make("llama"), batch()
    policy.to(torch.bfloat16)
    learned = policy.logprobs(rollout).logprobs
    with torch.no_grad():  # as old and reference log-probabilities are: the first ratio is 1, and the first KL 0
        torch.testing.assert_close(policy.logprobs(rollout).logprobs, learned.detach(), atol=1e-3, rtol=0.0)


def test_a_group_without_any_token_is_no_trouble() -> None:
    rows = [Completion(Prompt([5, 6], "", index=i), [], "", "stop") for i in range(2) for _ in range(2)]
    rows[0] = Completion(rows[0].prompt, [7, 8], "", "stop")
    rollout = Rollout.of(Completions(rows, 2), pad_id=0)
    assert_same(make("qwen3"), rollout)


@pytest.mark.parametrize(
    ("build", "reason"),
    [
        (lambda: make("qwen3", attention_dropout=0.1), "dropout would draw"),
        (lambda: make("gpt2", resid_pdrop=0.1), "dropout would draw"),
        (lambda: make("qwen3", attn_implementation="eager"), "'eager'"),
        (lambda: make("phi3", sliding_window=4), "sliding window of 4"),
        (lambda: make("qwen3", layer_types=["sliding_attention", "full_attention"], **WINDOW), "sliding_attention"),
    ],
)
def test_what_cannot_share_is_scored_row_by_row_and_says_so_once(
    build: Callable[[], CausalLMPolicy], reason: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    policy = build()
    with caplog.at_level(logging.INFO):
        assert not is_shared(policy, batch(), monkeypatch)
        policy.logprobs(batch())
    assert [reason in record.getMessage() for record in caplog.records] == [True]


def test_a_model_that_attends_otherwise_than_it_says_is_scored_row_by_row(monkeypatch: pytest.MonkeyPatch) -> None:
    policy, rollout = make("llama"), batch()
    honest = TreeAttention.attend
    monkeypatch.setattr(TreeAttention, "attend", lambda self, q, k, v, scale: honest(self, q, k, 1.1 * v, scale))
    with pytest.warns(UserWarning, match=r"Left shared_prefix=True: .* differ by .* in float32"):
        assert_same(policy, rollout)


def test_a_model_that_shows_its_padding_is_scored_row_by_row() -> None:
    policy = make("llama")
    policy._scoring = Scoring([])
    honest = policy.padded_logprobs

    def shifted(rollout: Rollout, **options: Any) -> TokenLogProbs:
        padding = (~rollout.prompt_mask).sum(1, keepdim=True)
        found = honest(rollout, **options)
        return found._replace(logprobs=found.logprobs - 0.1 * padding)

    policy.padded_logprobs = shifted
    rollout = batch()
    with pytest.warns(UserWarning, match=r"Left padded=True: log-probabilities differ by 0\.\d+ in float32"):
        found = policy.logprobs(rollout).logprobs
    expected = honest(rollout).logprobs.masked_fill(~rollout.completion_mask, 0.0)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


def test_weights_that_are_no_numbers_are_named_as_such() -> None:
    policy = make("llama")
    with torch.no_grad():
        policy.model.lm_head.weight[3] = float("nan")
    with pytest.raises(RuntimeError, match="log-probabilities are NaN"):
        policy.logprobs(batch())


def test_it_can_be_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not is_shared(make("qwen3", shared_prefix=False), batch(), monkeypatch)


def test_dropout_that_is_switched_off_is_no_hindrance(monkeypatch: pytest.MonkeyPatch) -> None:
    assert is_shared(make("gpt2", resid_pdrop=0.1).eval(), batch(), monkeypatch)
