"""Rows end to end are scored as padded rows are, and whoever cannot read them says so."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import torch
from peft import LoraConfig, PromptTuningConfig, TaskType, get_peft_model
from torch import Tensor
from transformers import CONFIG_MAPPING, AttentionInterface, AutoModelForCausalLM
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from rlframework.completions import Completion, Completions
from rlframework.policies import CausalLMPolicy
from rlframework.policies.scoring import packed as packed_rows
from rlframework.policies.scoring.packed import PackedRows
from rlframework.policies.scoring.tree_attention import TREE_ATTENTION
from rlframework.prompt import Prompt
from rlframework.rollout import Rollout
from rlframework.testing import letter_tokenizer
from tests.policies.as_padded import assert_as_padded

TOKENIZER = letter_tokenizer()
V = len(TOKENIZER)
SIZES = {"vocab_size": V, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4}
ROTARY = {**SIZES, "num_key_value_heads": 2, "max_position_embeddings": 256, "initializer_range": 0.3}
MIXED = {"layer_types": ["sliding_attention", "full_attention"], "sliding_window": 4}
MOE = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16, "decoder_sparse_step": 1}
MAMBA = {"mamba_n_heads": 4, "mamba_d_head": 16, "mamba_d_state": 8, "mamba_n_groups": 1, "attn_layer_indices": [1]}
LINEAR = {"linear_num_key_heads": 2, "linear_num_value_heads": 2, "layer_types": ["linear_attention", "full_attention"]}
GPT2 = {"vocab_size": V, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 256, "initializer_range": 0.3}
KINDS: dict[str, dict[str, Any]] = {
    "qwen3": {**ROTARY, "head_dim": 8},
    "mistral": {**ROTARY, "sliding_window": 4},
    "gemma2": {**ROTARY, **MIXED, "head_dim": 8, "attn_logit_softcapping": 2.0, "attn_implementation": "eager"},
    "gemma3_text": {**ROTARY, **MIXED, "head_dim": 8},
    "phi3": {**ROTARY, "sliding_window": 4},
    "gpt2": {**GPT2, "resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0},
    "qwen3_moe": {**ROTARY, **MOE, "head_dim": 8},
    "gpt_oss": {**ROTARY, "head_dim": 8, "num_local_experts": 2, "num_experts_per_tok": 1},
    "bamba": {**ROTARY, **MAMBA},
    "qwen3_next": {**ROTARY, **MOE, **LINEAR, "head_dim": 8, "shared_expert_intermediate_size": 16},
    "falcon_mamba": {**SIZES, "state_size": 4},
    "bloom": {"vocab_size": V, "hidden_size": 32, "n_layer": 1, "n_head": 4},
    "whisper": {"vocab_size": V, "d_model": 32, "decoder_layers": 1, "decoder_attention_heads": 4},
}


def model(kind: str, **changes: Any) -> Any:
    special = {"pad_token_id": 0, "eos_token_id": 1, "bos_token_id": None}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return AutoModelForCausalLM.from_config(CONFIG_MAPPING[kind](**{**KINDS[kind], **special, **changes}))


def make(kind: str, lora: LoraConfig | None = None, **changes: Any) -> CausalLMPolicy:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return CausalLMPolicy(model(kind, **changes), TOKENIZER, lora=lora, shared_prefix=False).train()


def batch(prompts: tuple[int, ...] = (3, 9, 1, 14), lengths: tuple[int, ...] = (7, 2, 1, 4, 5, 0, 12, 3)) -> Rollout:
    """Return one row for each completion, two for each prompt, all ragged."""
    generator = torch.Generator().manual_seed(1)
    draw = lambda n: torch.randint(3, V, (n,), generator=generator).tolist()  # noqa: E731
    asked = [Prompt(draw(size), "", index=index) for index, size in enumerate(prompts)]
    rows = [Completion(asked[row // 2], draw(length), "", "stop") for row, length in enumerate(lengths)]
    return Rollout.of(Completions(rows, 2), pad_id=0, temperature=0.8)


def assert_same(policy: CausalLMPolicy, rollout: Rollout, tokens_per_sequence: int = 512) -> None:
    packed = PackedRows(tokens_per_sequence)
    assert packed.why_not(policy, rollout) is None
    assert_as_padded(policy, rollout, partial(packed.score, policy))


def calls(policy: CausalLMPolicy) -> list[Tensor]:
    """Return a list that grows by the ids of every call of the model."""
    seen: list[Tensor] = []
    policy.model.get_input_embeddings().register_forward_hook(lambda module, ids, output: seen.append(*ids))
    return seen


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("qwen3", {}),
        ("qwen3", {"attn_implementation": "eager"}),
        ("qwen3", {**MIXED, "use_sliding_window": True}),
        ("mistral", {}),
        ("gemma2", {}),
        ("gemma3_text", {}),
        ("phi3", {}),
        ("gpt2", {}),
        ("qwen3_moe", {}),
    ],
)
def test_every_architecture_scores_packed_rows_as_it_scores_padded_ones(kind: str, changes: dict[str, Any]) -> None:
    assert_same(make(kind, **changes), batch())


@pytest.mark.parametrize("tokens_per_sequence", [1, 20, 40])
@pytest.mark.parametrize("kind", ["qwen3", "mistral"])
def test_rows_go_into_as_many_sequences_as_they_need(kind: str, tokens_per_sequence: int) -> None:
    assert_same(make(kind), batch(), tokens_per_sequence)


def test_an_adapter_learns_the_same() -> None:
    lora = LoraConfig(r=2, target_modules=["q_proj", "v_proj", "down_proj"], init_lora_weights=False)
    assert_same(make("mistral", lora=lora), batch())


@pytest.mark.filterwarnings("ignore:None of the inputs have requires_grad")
@pytest.mark.parametrize("reentrant", [True, False])
def test_gradient_checkpointing_recomputes_the_same(reentrant: bool) -> None:
    policy = make("phi3")
    policy.model.gradient_checkpointing_enable({"use_reentrant": reentrant})
    policy.model.enable_input_require_grads()
    assert_same(policy, batch())


def test_a_policy_that_reads_trees_can_read_rows_too() -> None:
    policy = make("qwen3")
    policy.model.set_attn_implementation(TREE_ATTENTION)
    assert_same(policy, batch())


def test_half_precision_is_as_near_as_it_can_be() -> None:
    policy, rollout = make("mistral", initializer_range=0.1), batch()
    with torch.autocast("cpu", torch.bfloat16):
        assert PackedRows().why_not(policy, rollout) is None
        expected, found = (
            score(rollout).logprobs for score in (policy.padded_logprobs, partial(PackedRows().score, policy))
        )
    error = (found - expected).masked_fill(~rollout.completion_mask, 0.0)
    assert found.dtype == torch.float32
    assert error.abs().max() < 0.05


def test_padding_is_0_and_gets_no_gradient() -> None:
    rollout = batch()
    logprobs, entropy = PackedRows().score(make("qwen3"), rollout)
    assert logprobs.shape == entropy.shape == rollout.completion_mask.shape
    assert logprobs.requires_grad
    assert not entropy.requires_grad
    assert not logprobs[~rollout.completion_mask].any()
    assert not entropy[~rollout.completion_mask].any()


def test_only_tokens_that_matter_are_read() -> None:
    policy, rollout = make("qwen3"), batch(prompts=(3, 9), lengths=(7, 2, 1, 0))
    seen = calls(policy)
    PackedRows().score(policy, rollout)
    # A prompt for each row that answers, and each answer but for its last token.
    assert [ids.shape for ids in seen] == [(1, (3 + 6) + (3 + 1) + (9 + 0))]
    expected = [*rollout.prompt_ids[0, -3:], *rollout.completion_ids[0, :6], *rollout.prompt_ids[1, -3:]]
    expected += [rollout.completion_ids[1, 0], *rollout.prompt_ids[2]]
    assert seen[0][0].tolist() == [int(token) for token in expected]


def test_sequences_are_bounded_and_a_longer_row_is_alone() -> None:
    policy = make("qwen3")
    seen = calls(policy)
    PackedRows(20).score(policy, batch(prompts=(5, 5, 5), lengths=(6, 6, 1, 31, 1, 11)))
    # (5 + 5) + (5 + 5) is 20, but the longest row, 5 + 30, makes room for 35: three rows, then it alone, then the rest.
    assert [ids.shape[1] for ids in seen] == [25, 35, 20]


def test_no_sequence_is_longer_than_the_model_has_positions() -> None:
    policy = make("qwen3", max_position_embeddings=40)
    assert PackedRows(100)._deal(policy, [15, 15, 15, 15]) == [30, 30]
    assert PackedRows(100)._deal(make("qwen3"), [15, 15, 15, 15]) == [60]


def test_flash_attention_reads_all_rows_at_once() -> None:
    policy = make("qwen3")
    policy.model.config._attn_implementation = "flash_attention_2"
    assert PackedRows(1)._deal(policy, [15, 15, 15, 15]) == [60]


@pytest.mark.parametrize("kind", ["qwen3", "mistral", "gemma2", "gemma3_text", "gpt2"])
def test_a_row_does_not_see_its_neighbours(kind: str) -> None:
    policy, rollout = make(kind), batch(prompts=(6, 8), lengths=(5, 7, 4, 9))
    packed = PackedRows()
    with torch.no_grad():
        before = packed.score(policy, rollout).logprobs
        for row in range(4):
            others = torch.arange(4) != row
            ids = rollout.completion_ids.clone(), rollout.prompt_ids.clone()
            for part in ids:
                part[others] = 3 + (part[others] + 11) % (V - 3)
            after = packed.score(policy, replace(rollout, completion_ids=ids[0], prompt_ids=ids[1])).logprobs
            torch.testing.assert_close(after[row], before[row], atol=1e-5, rtol=0)
            assert (after[others] - before[others]).abs().max() > 0.1


def test_dropout_is_drawn_while_training_only() -> None:
    policy, rollout = make("gpt2", resid_pdrop=0.3), batch()
    packed = PackedRows()
    assert packed.why_not(policy, rollout) is None
    assert not torch.equal(packed.score(policy, rollout).logprobs, packed.score(policy, rollout).logprobs)
    policy.eval()
    assert_same(policy, rollout)


def test_the_trial_leaves_no_trace() -> None:
    policy = make("gpt2", resid_pdrop=0.3)
    state = torch.get_rng_state()
    assert PackedRows().why_not(policy, batch()) is None
    assert torch.equal(torch.get_rng_state(), state)
    assert policy.training
    assert all(parameter.grad is None for parameter in policy.parameters())


def test_the_trial_is_made_once() -> None:
    policy, rollout = make("qwen3"), batch()
    packed, seen = PackedRows(), calls(policy)
    assert packed.why_not(policy, rollout) is None
    assert seen
    seen.clear()
    assert packed.why_not(policy, rollout) is None
    assert not seen


def with_virtual_tokens() -> CausalLMPolicy:
    tuning = PromptTuningConfig(task_type=TaskType.CAUSAL_LM, num_virtual_tokens=2)
    return CausalLMPolicy(get_peft_model(model("qwen3"), tuning), TOKENIZER, shared_prefix=False)


def with_its_own_attention() -> CausalLMPolicy:
    AttentionInterface.register("unheard_of", sdpa_attention_forward)
    policy = make("qwen3")
    policy.model.set_attn_implementation("unheard_of")
    return policy


@pytest.mark.parametrize(
    ("build", "reason"),
    [
        (lambda: make("bloom"), "no position_ids"),
        (lambda: make("whisper"), "the model takes no logits_to_keep and no position_ids"),
        (lambda: make("falcon_mamba"), "no position_ids"),
        (lambda: make("bamba"), "the model has "),
        (lambda: make("qwen3_next"), "the model has linear_attention"),
        (with_virtual_tokens, "virtual tokens"),
        (with_its_own_attention, "no mask for the attention implementation 'unheard_of'"),
        (lambda: make("gpt_oss"), "see each other"),
    ],
)
def test_models_that_cannot_read_packed_rows_are_told_from_those_that_can(
    build: Callable[[], CausalLMPolicy], reason: str
) -> None:
    found = PackedRows().why_not(build(), batch())
    assert found is not None
    assert reason in found


def test_a_model_with_a_state_is_unfit_whatever_it_calls_its_layers(monkeypatch: pytest.MonkeyPatch) -> None:
    policy = make("qwen3")
    monkeypatch.setattr(type(policy.model), "_is_stateful", True)
    assert PackedRows().why_not(policy, batch()) == "the model hands a state from token to token"


def test_sharded_weights_are_unfit(monkeypatch: pytest.MonkeyPatch) -> None:
    policy = make("qwen3")
    monkeypatch.setattr(packed_rows, "is_sharded", lambda policy: True)
    assert "sharded" in str(PackedRows().why_not(policy, batch()))


def test_minibatches_without_anything_to_predict_or_to_predict_it_from_are_unfit() -> None:
    packed, policy = PackedRows(), make("qwen3")
    assert packed.why_not(policy, batch(prompts=(3,), lengths=(0, 0))) == "no token of a minibatch is scored"
    assert packed.why_not(policy, batch(prompts=(3, 0), lengths=(1, 1, 1, 1))) == "a prompt has no token"


def test_rotations_that_depend_on_the_longest_row_are_unfit_once_it_is_long() -> None:
    rope = {"rope_type": "longrope", "short_factor": [1.0] * 4, "long_factor": [4.0] * 4}
    policy = make("phi3", rope_parameters=rope, original_max_position_embeddings=16)
    short = batch(prompts=(3, 9), lengths=(7, 2, 1, 4))
    assert_same(policy, short)
    assert "its longrope rotation depends" in str(
        PackedRows().why_not(policy, batch(prompts=(3, 9), lengths=(7, 2, 1, 8)))
    )


def test_rows_without_padding_in_any_order_are_the_same_rows() -> None:
    policy, rollout = make("mistral"), batch()
    order = torch.tensor([5, 2, 7, 0, 1, 6, 3, 4])
    scores = [PackedRows(30).score(policy, part).logprobs for part in (rollout, rollout.select(order))]
    torch.testing.assert_close(scores[1], scores[0][order], atol=1e-5, rtol=0)
