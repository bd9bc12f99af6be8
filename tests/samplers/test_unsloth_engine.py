"""Sampling through an engine with the current adapter: vLLM's own ``LLM``, given to a PEFT model as Unsloth gives it.

Those with the engine need vLLM, and run with ``-m vllm`` in an environment that has it; a CPU build will do.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from peft import LoraConfig

from rlframework.algorithms import GRPO
from rlframework.completions import Completions
from rlframework.functional.sampling import truncated
from rlframework.policies import CausalLMPolicy
from rlframework.rollout import Rollout
from rlframework.samplers import BatchedSampler, UnslothEngineSampler
from rlframework.terms.sampler_correction import TokenMask, TokenTruncation
from rlframework.testing import letter_prompts, letter_tokenizer, tiny_policy, tiny_qwen3

PROMPTS = letter_prompts(5)


def test_an_algorithm_corrects_for_the_engine_by_default(grpo: Callable[..., GRPO]) -> None:
    sampler = UnslothEngineSampler(group_size=4, max_tokens=4)
    assert not sampler.samples_policy_itself
    assert type(grpo(sampler=sampler).sampler_correction) is TokenTruncation
    assert type(grpo(sampler=sampler, sampler_correction=TokenMask()).sampler_correction) is TokenMask


def test_a_model_without_engine_is_refused() -> None:
    with pytest.raises(TypeError, match=r"no vllm_engine, fast_generate, load_lora; .*fast_inference=True"):
        UnslothEngineSampler(group_size=1, max_tokens=4).sample(tiny_policy(), PROMPTS)


@pytest.mark.parametrize(
    ("mode", "options", "exact"),
    [
        ("raw_logprobs", {}, True),
        ("raw_logprobs", {"temperature": 0.0}, True),
        ("raw_logprobs", {"temperature": 0.7}, False),
        ("raw_logprobs", {"top_k": 5}, False),
        ("processed_logits", {}, False),
        ("processed_logprobs", {"temperature": 0.7, "top_p": 0.9}, True),
    ],
)
def test_an_engine_whose_logprobs_are_of_something_else_is_refused(mode: str, options: dict, exact: bool) -> None:
    model_config = SimpleNamespace(logprobs_mode=mode)
    engine = SimpleNamespace(llm_engine=SimpleNamespace(vllm_config=SimpleNamespace(model_config=model_config)))
    sampler = UnslothEngineSampler(group_size=1, max_tokens=4, **options)
    if exact:
        sampler._check_logprobs(engine)
    else:
        with pytest.raises(ValueError, match=f"logprobs_mode='{mode}'"):
            sampler._check_logprobs(engine)


@pytest.mark.parametrize(("reason", "ids"), [("abort", [5, 6]), ("stop", [5, 6]), ("length", [5, 1])])
def test_another_end_than_the_policy_knows_is_refused(reason: str, ids: list[int]) -> None:
    row = SimpleNamespace(token_ids=ids, finish_reason=reason)
    with pytest.raises(RuntimeError, match=f"'{reason}' and token {ids[-1]}"):
        UnslothEngineSampler(group_size=1, max_tokens=2)._completion(tiny_policy(), PROMPTS[0], row)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return vLLM's engine over a tiny model with separate embeddings, and the model's folder."""
    patch = pytest.MonkeyPatch()
    patch.setenv("VLLM_ENABLE_V1_MULTIPROCESSING", "0")
    patch.setenv("VLLM_CPU_KVCACHE_SPACE", "1")
    patch.setenv("VLLM_CPU_OMP_THREADS_BIND", "nobind")
    patch.setenv("VLLM_NO_USAGE_STATS", "1")
    vllm = pytest.importorskip("vllm")
    folder = tmp_path_factory.mktemp("model")
    sizes = {"hidden_size": 64, "intermediate_size": 64, "num_hidden_layers": 2, "head_dim": 32}
    tiny_qwen3(initializer_range=0.2, tie_word_embeddings=False, **sizes).save_pretrained(folder)
    letter_tokenizer().save_pretrained(folder)
    yield (
        vllm.LLM(
            str(folder),
            enforce_eager=True,
            block_size=32,
            dtype="float32",
            max_model_len=64,
            max_logprobs=0,
            logprobs_mode="processed_logprobs",
            enable_lora=True,
            max_lora_rank=8,
            max_loras=1,
        ),
        folder,
    )
    patch.undo()


@pytest.fixture
def policy(engine: Any) -> CausalLMPolicy:
    """Return a policy with an adapter that does something, and with what Unsloth attaches to its model."""
    from vllm.lora.request import LoRARequest

    llm, folder = engine
    torch.manual_seed(1)
    lora = LoraConfig(r=4, target_modules=["q_proj", "v_proj", "down_proj"], init_lora_weights=False)
    policy = CausalLMPolicy(folder, lora=lora).eval()
    model: Any = policy.model

    def load_lora(where: str, load_tensors: bool = False) -> LoRARequest:
        assert load_tensors
        # Unsloth hands tensors over, which vLLM's own LoRARequest does not take; it counts the requests as here.
        number = next(REQUESTS)
        policy.folders.append(where)
        model.save_pretrained(where)
        return LoRARequest(str(number), number, where)

    policy.folders = []
    model.vllm_engine, model.fast_generate, model.load_lora = llm, llm.generate, load_lora
    return policy


REQUESTS = count(1)


def gap(policy: CausalLMPolicy, completions: Completions, sampler: UnslothEngineSampler) -> float:
    """Return the largest difference between the engine's log-probabilities and the policy's."""
    rollout = Rollout.of(completions, pad_id=policy.pad_id, temperature=sampler.temperature)
    ids = torch.cat([rollout.prompt_ids, rollout.completion_ids], 1)
    mask = torch.cat([rollout.prompt_mask, rollout.completion_mask], 1)
    with torch.no_grad():
        logits = policy._forward(ids, mask, mask, use_cache=False, logits_to_keep=0).logits
    logits = logits[:, rollout.prompt_ids.shape[1] - 1 : -1] / sampler.temperature
    flat = truncated(logits.flatten(0, 1), sampler.top_k, sampler.top_p, sampler.min_p).view_as(logits)
    scored = flat.log_softmax(-1).gather(-1, rollout.completion_ids.unsqueeze(-1)).squeeze(-1)
    return (scored - rollout.sampler_logprobs).masked_fill(~rollout.completion_mask, 0.0).abs().max().item()


@pytest.mark.vllm
@pytest.mark.parametrize("options", [{}, {"temperature": 0.6}, {"temperature": 0.8, "top_k": 9, "min_p": 0.02}])
def test_the_logprobs_are_those_of_what_was_sampled(policy: CausalLMPolicy, options: dict) -> None:
    sampler = UnslothEngineSampler(group_size=6, max_tokens=12, **options)
    completions = sampler.sample(policy, PROMPTS)
    assert gap(policy, completions, sampler) < 1e-4
    rows = list(completions)
    assert [row.prompt for row in rows] == [prompt for prompt in PROMPTS for _ in range(6)]
    assert {row.stop_reason for row in rows} == {"stop", "length"}
    for row in rows:
        assert len(row.logprobs) == len(row.ids)
        assert [token == 1 for token in row.ids] == [False] * (len(row.ids) - 1) + [row.stop_reason == "stop"]
        assert row.stop_reason == "stop" or len(row.ids) == 12
        assert row.text == policy.decode([token for token in row.ids if token != 1])
    for start in range(0, len(rows), 6):
        assert len({tuple(row.ids) for row in rows[start : start + 6]}) > 1


@pytest.mark.vllm
def test_the_seed_decides(policy: CausalLMPolicy) -> None:
    sampler = UnslothEngineSampler(group_size=3, max_tokens=8)
    ids = lambda **options: [row.ids for row in sampler.sample(policy, PROMPTS, **options)]  # noqa: E731
    assert ids(step=1) == ids(step=1) != ids(step=2)
    assert ids(step=1)[3:6] == [row.ids for row in sampler.sample(policy, PROMPTS[1:2], step=1)]


@pytest.mark.vllm
def test_new_weights_are_sampled_from(policy: CausalLMPolicy) -> None:
    sampler = UnslothEngineSampler(group_size=4, max_tokens=8)
    before = sampler.sample(policy, PROMPTS)
    assert gap(policy, before, sampler) < 1e-4
    with torch.no_grad():
        for parameter in (p for p in policy.parameters() if p.requires_grad):
            parameter.mul_(-1.5)
    assert gap(policy, before, sampler) > 0.1
    assert gap(policy, sampler.sample(policy, PROMPTS), sampler) < 1e-4
    assert len(policy.folders) == 2
    assert not any(Path(folder).exists() for folder in policy.folders)


@pytest.mark.vllm
def test_greedy_decoding_is_that_of_the_policy(policy: CausalLMPolicy) -> None:
    rows = list(UnslothEngineSampler(group_size=8, max_tokens=10).for_evaluation().sample(policy, PROMPTS))
    plain = BatchedSampler(group_size=1, max_tokens=10, temperature=0.0).sample(policy, PROMPTS)
    assert [(row.ids, row.logprobs) for row in rows] == [(row.ids, row.logprobs) for row in plain]


@pytest.mark.vllm
def test_it_trains(policy: CausalLMPolicy, grpo: Callable[..., GRPO], fit: Callable, recorder: Any) -> None:
    algorithm = grpo(policy, sampler=UnslothEngineSampler(group_size=4, max_tokens=4))
    fit(algorithm, callbacks=[recorder], max_steps=3)
    factors = [batch.sampler_correction[batch.completion_mask] for batch in recorder.batches]
    assert len(factors) == 3
    assert (torch.cat(factors) - 1).abs().max() < 1e-3
