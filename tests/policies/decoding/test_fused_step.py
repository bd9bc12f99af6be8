"""The fused decoding step says what the model says, with the weights it has now, or is not taken."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from peft import LoraConfig, VeraConfig
from torch import Tensor, nn
from transformers import CONFIG_MAPPING, AutoModelForCausalLM

from rlframework.policies import CausalLMPolicy
from rlframework.policies.decoding.fused_step import FusedDecoder
from rlframework.samplers import BatchedSampler, SharedPrefixSampler, UncachedSampler
from rlframework.testing import letter_prompts, letter_tokenizer

TOKENIZER = letter_tokenizer()
PROMPTS = letter_prompts(5)
SIZES = {"vocab_size": len(TOKENIZER), "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2}
HEADS = {"num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 64, "initializer_range": 0.3}
ENDS = {"eos_token_id": TOKENIZER.eos_token_id, "pad_token_id": TOKENIZER.pad_token_id, "bos_token_id": None}
FAMILY: dict[str, dict[str, Any]] = {
    "qwen3": {"head_dim": 16},
    "qwen2": {},
    "llama": {"rope_parameters": {"rope_type": "linear", "factor": 2.0, "rope_theta": 10000.0}},
}


def make(kind: str, lora: LoraConfig | None = None, fused_decode: bool = True, **changes: Any) -> CausalLMPolicy:
    options = {**SIZES, **HEADS, **ENDS, **FAMILY.get(kind, {}), **changes}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = AutoModelForCausalLM.from_config(CONFIG_MAPPING[kind](**options))
        # Biases and norms start at 0 and 1, where a forgotten one would not show.
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(0.1 * torch.randn_like(parameter))
        return CausalLMPolicy(model, TOKENIZER, lora=lora, fused_decode=fused_decode).eval()


def ids(policy: CausalLMPolicy) -> list[list[int]]:
    """Sample, and see that the plain sampler, through the model's own forward, draws the same."""
    settings = {"group_size": 4, "max_tokens": 16, "seed": 1}
    fast, plain = (list(kind(**settings).sample(policy, PROMPTS)) for kind in (SharedPrefixSampler, BatchedSampler))
    assert [row.ids for row in fast] == [row.ids for row in plain]
    for left, right in zip(fast, plain, strict=True):
        assert left.logprobs == pytest.approx(right.logprobs, abs=1e-5)
    return [row.ids for row in fast]


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Count the rows of every fused step."""
    taken: list[int] = []
    append = FusedDecoder.append
    monkeypatch.setattr(
        FusedDecoder, "append", lambda self, ids, mask: (taken.append(len(ids)), append(self, ids, mask))[1]
    )
    return taken


@pytest.mark.parametrize("kind", FAMILY)
def test_it_samples_what_the_model_samples(kind: str, steps: list[int]) -> None:
    ids(make(kind))
    assert len(steps) > 10


def test_every_rollout_decodes_with_the_newest_weights(steps: list[int]) -> None:
    policy = make("qwen3")
    before = ids(policy)
    with torch.no_grad():
        for parameter in policy.parameters():
            parameter.mul_(1.1)
    assert ids(policy) != before
    assert steps


@pytest.mark.parametrize(
    "build",
    [
        lambda: make("qwen3", lora=LoraConfig(r=2, target_modules=["q_proj"], init_lora_weights=False, use_dora=True)),
        lambda: make("qwen3", lora=LoraConfig(r=2, target_modules=["lm_head"], init_lora_weights=False)),
        lambda: make("qwen3", lora=VeraConfig(r=2, target_modules=["q_proj"])),
        lambda: make("qwen3", hidden_act="gelu"),
        lambda: make("olmo2"),
        lambda: make("qwen3", fused_decode=False),
    ],
)
def test_other_models_decode_through_their_own_forward(build: Callable[[], CausalLMPolicy], steps: list[int]) -> None:
    ids(build())
    assert not steps


@pytest.mark.parametrize("bias", ["none", "lora_only"])
def test_an_adapter_is_added_to_the_weights(bias: str, steps: list[int]) -> None:
    every = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    lora = LoraConfig(r=2, target_modules=every, init_lora_weights=False, bias=bias)
    policy = make("qwen2", lora=lora).double()  # sums of another order must not decide
    learned = ids(policy)
    assert len(steps) > 10
    assert learned != ids(make("qwen2"))
    with policy.model.disable_adapter():
        assert ids(policy) == ids(make("qwen2"))


def test_a_model_that_computes_otherwise_decodes_through_its_own_forward(steps: list[int]) -> None:
    policy = make("llama")
    policy.model.model.layers[0].mlp.act_fn = torch.nn.GELU()
    with pytest.warns(UserWarning, match=r"Left fused_decode=True: distributions differ by .* in float32"):
        ids(policy)
    steps.clear()
    ids(policy)
    assert not steps, "what was refuted is not tried again"


def test_a_model_whose_cache_forgets_is_decoded_without_it() -> None:
    policy = make("llama")
    honest = policy.plain_next_logits, policy.single_next_logits

    def forgetful(ids: torch.Tensor, mask: torch.Tensor, cache: Any = None) -> Any:
        seen = mask if cache is None else mask & (torch.arange(mask.shape[1]) > 1)
        return honest[0](ids, seen, cache)

    def confused(ids: torch.Tensor, cache: Any = None) -> Any:
        return honest[1](ids.flip(1), cache)

    policy.plain_next_logits, policy.single_next_logits = forgetful, confused
    policy.model.model.layers[0].mlp.act_fn = torch.nn.GELU()
    sampler = SharedPrefixSampler(group_size=4, max_tokens=4)
    with pytest.warns(UserWarning, match="Left the model's own cache") as said:
        completions = sampler.sample(policy, PROMPTS)
    assert [str(line.message).partition(":")[0] for line in said] == [
        "Left the model's own cache of padded rows (padded=True)",
        "Left the model's own cache",
    ]
    slow = UncachedSampler(group_size=4, max_tokens=4).sample(policy, PROMPTS)
    assert [row.ids for row in completions] == [row.ids for row in slow]


@pytest.mark.parametrize("fault", ["it raises", "NaN"])
def test_a_cache_that_gives_no_tokens_is_named_and_not_used(fault: str) -> None:
    policy = make("llama")
    honest = policy.single_next_logits

    def broken(ids: Tensor, cache: Any = None) -> Any:
        if fault == "it raises":
            raise TypeError("no cache")
        logits, cache = honest(ids, cache)
        return torch.full_like(logits, torch.nan), cache

    policy.single_next_logits = broken
    assert ids(policy) == ids(make("llama")), "padded rows decode by another call"
    apart = CausalLMPolicy(policy.model, TOKENIZER, padded=False).eval()
    apart.single_next_logits = broken
    sampler = SharedPrefixSampler(group_size=4, max_tokens=4)
    reason = "it raises TypeError: no cache" if fault == "it raises" else "distributions differ by nan"
    with pytest.warns(UserWarning, match=f"Left the model's own cache: {reason}"):
        completions = sampler.sample(apart, PROMPTS)
    slow = UncachedSampler(group_size=4, max_tokens=4).sample(apart, PROMPTS)
    assert [row.ids for row in completions] == [row.ids for row in slow]


@pytest.mark.filterwarnings("error:Left ")
def test_weights_that_change_behind_a_reading_are_no_fault_of_a_step(steps: list[int]) -> None:
    policy, prompts = make("llama"), torch.tensor([PROMPTS[0].ids, PROMPTS[3].ids])
    mask = torch.ones_like(prompts, dtype=torch.bool)
    with torch.no_grad():
        _, cache = policy.prefill(prompts, mask)
        for weight in policy.parameters():
            weight.mul_(1.5)
        assert isinstance(policy.branch(cache, mask, 4, 6), FusedDecoder)


@pytest.mark.filterwarnings("error:Left ")
def test_weights_of_some_tokens_that_are_no_numbers_are_named_as_such() -> None:
    policy = make("llama")
    with torch.no_grad():
        policy.model.model.embed_tokens.weight[10:] = torch.nan  # tokens that may be sampled, not those of the prompts
    with pytest.raises(RuntimeError, match="the policy's logits are NaN"):
        SharedPrefixSampler(group_size=4, max_tokens=4).sample(policy, PROMPTS)


def test_a_copy_of_the_policy_decodes_with_its_own_weights(steps: list[int]) -> None:
    policy = make("qwen2")
    reference = policy.reference()
    with torch.no_grad():
        policy.model.lm_head.weight.mul_(2.0)
    assert ids(reference) != ids(policy)
    assert steps


class Memory(nn.Module):
    """An adapter of somebody's own around an MLP, which adds nothing until it has learned."""

    def __init__(self, mlp: Any) -> None:
        super().__init__()
        self.gate_proj, self.up_proj, self.down_proj = mlp.gate_proj, mlp.up_proj, mlp.down_proj
        self.mlp, self.extra = mlp, nn.Linear(32, 32, bias=False)
        nn.init.zeros_(self.extra.weight)

    def forward(self, states: Tensor) -> Tensor:
        return self.mlp(states) + self.extra(states)


def with_memory(policy: CausalLMPolicy) -> list[Tensor]:
    for layer in policy.model.model.layers:
        layer.mlp = Memory(layer.mlp)
    return [layer.mlp.extra.weight for layer in policy.model.model.layers]


def with_hook(policy: CausalLMPolicy) -> list[Tensor]:
    """Steer the residual stream by a vector that is zero at first."""
    vector = torch.zeros(32)
    policy.model.model.layers[0].register_forward_hook(lambda layer, asked, states: states + vector)
    return [vector]


def with_forward(policy: CausalLMPolicy) -> list[Tensor]:
    norm, vector = policy.model.model.norm, torch.zeros(32)
    plain = norm.forward
    norm.forward = lambda states: plain(states) + vector
    return [vector]


def with_norm(policy: CausalLMPolicy) -> list[Tensor]:
    class Shifted(type(policy.model.model.norm)):
        def forward(self, states: Tensor) -> Tensor:
            return super().forward(states) + vector

    vector = torch.zeros(32)
    policy.model.model.norm.__class__ = Shifted
    return [vector]


@pytest.mark.parametrize("change", [with_memory, with_hook, with_forward, with_norm])
def test_what_does_nothing_at_first_and_something_later_is_never_left_out(change, steps: list[int]) -> None:
    policy = make("llama")
    ids(policy)
    assert steps
    steps.clear()
    for weight in change(policy):
        ids(policy)
        with torch.no_grad():
            weight.normal_(std=0.3, generator=torch.Generator().manual_seed(2))
        ids(policy)
    assert not steps


def test_an_adapter_that_is_put_on_later_is_not_left_out(steps: list[int]) -> None:
    policy = make("llama", lora=LoraConfig(r=2, target_modules=["q_proj", "down_proj"]))
    ids(policy)
    assert steps
    policy.model.add_adapter("second", LoraConfig(r=2, target_modules=["q_proj", "down_proj"], use_dora=True))
    policy.model.set_adapter("second")
    with torch.no_grad():
        for name, weight in policy.named_parameters():
            if "lora_B.second" in name:
                weight.normal_(std=0.3, generator=torch.Generator().manual_seed(2))
    steps.clear()
    ids(policy)
    assert not steps
