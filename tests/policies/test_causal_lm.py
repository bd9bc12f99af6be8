"""Transformers models as policies: positions, log-probabilities, end ids, loading, and their refusals."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from peft import LoraConfig
from tokenizers import Tokenizer, models
from transformers import (
    AutoModelForCausalLM,
    BloomConfig,
    GPT2Config,
    LlamaConfig,
    OPTConfig,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen3Config,
)

from rlframework import BatchedSampler, CausalLMPolicy
from rlframework.completions import Completion, Completions
from rlframework.prompt import Prompt
from rlframework.rollout import Rollout
from rlframework.testing import letter_prompts, letter_tokenizer, tiny_policy

TOKENIZER = letter_tokenizer()
ROTARY = {
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
}
CONFIGS = {
    "qwen3": Qwen3Config(**ROTARY, head_dim=8, max_position_embeddings=64),
    "qwen2": Qwen2Config(**ROTARY, max_position_embeddings=64),
    "llama": LlamaConfig(**ROTARY, max_position_embeddings=64),
    "gpt2": GPT2Config(n_embd=16, n_layer=2, n_head=2, n_positions=64),
    "opt": OPTConfig(hidden_size=16, ffn_dim=32, num_hidden_layers=2, num_attention_heads=2, word_embed_proj_dim=16),
    "bloom": BloomConfig(hidden_size=16, n_layer=2, n_head=2),
}
PROMPTS = [[5], [6, 7, 8, 9, 10, 11], [12, 13, 14]]
COMPLETIONS = [[15, 16, 17, 1], [18], [19, 20]]


def tiny_model(name: str) -> PreTrainedModel:
    """Return a random model of two layers, without dropout at work, whose positions and context matter."""
    config = copy.deepcopy(CONFIGS[name])
    config.update({"vocab_size": len(TOKENIZER), "initializer_range": 0.3, "init_std": 0.3})
    config.update({"pad_token_id": 0, "bos_token_id": None, "eos_token_id": 1})
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return AutoModelForCausalLM.from_config(config).eval()


def as_rollout(prompts: list[list[int]], completions: list[list[int]], temperature: float = 1.0) -> Rollout:
    pairs = zip(prompts, completions, strict=True)
    rows = [Completion(Prompt(prompt, ""), completion, "", "stop") for prompt, completion in pairs]
    return Rollout.of(Completions(rows, group_size=1), pad_id=0, temperature=temperature)


@torch.no_grad()
def alone(model: PreTrainedModel, prompt: list[int], completion: list[int], temperature: float = 1.0) -> torch.Tensor:
    """Score a completion by the bare model, without padding, masks, positions or this package."""
    logits = model(torch.tensor([prompt + completion])).logits[0, len(prompt) - 1 : -1] / temperature
    return logits.log_softmax(-1)[range(len(completion)), completion]


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_padding_changes_no_logprob(name: str, temperature: float) -> None:
    model = tiny_model(name)
    with torch.no_grad():
        scored = CausalLMPolicy(model, TOKENIZER).logprobs(as_rollout(PROMPTS, COMPLETIONS, temperature))
    assert scored.logprobs.shape == scored.entropy.shape == (3, 4)
    assert scored.logprobs.isfinite().all()
    for row, (prompt, completion) in enumerate(zip(PROMPTS, COMPLETIONS, strict=True)):
        expected = alone(model, prompt, completion, temperature)
        torch.testing.assert_close(scored.logprobs[row, : len(completion)], expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", ["qwen3", "gpt2"])
@torch.no_grad()
def test_outputs_that_a_configuration_asks_for_are_no_matter(name: str) -> None:
    model, plain = tiny_model(name), CausalLMPolicy(tiny_model(name), TOKENIZER)
    model.set_attn_implementation("eager")
    model.config.update({"return_dict": False, "output_hidden_states": True, "output_attentions": True})
    policy = CausalLMPolicy(model, TOKENIZER)
    for each in (policy.logprobs, policy.single_logprobs):
        batch = as_rollout(PROMPTS, COMPLETIONS)
        torch.testing.assert_close(each(batch).logprobs, plain.single_logprobs(batch).logprobs, atol=1e-5, rtol=0)
    assert len(BatchedSampler(2, 3).sample(policy, letter_prompts(2))) == 4


@pytest.mark.parametrize("name", CONFIGS)
@torch.no_grad()
def test_padding_changes_no_logit_when_sampling(name: str) -> None:
    model = tiny_model(name)
    policy = CausalLMPolicy(model, TOKENIZER)
    batch = as_rollout(PROMPTS, [[21, 22]] * 3)
    mask, cache = batch.prompt_mask, None
    ids = batch.prompt_ids
    for step in range(3):
        logits, cache = policy.next_logits(ids, mask, cache)
        assert logits.shape == (3, len(TOKENIZER))
        for row, prompt in enumerate(PROMPTS):
            expected = model(torch.tensor([prompt + [21, 22][:step]])).logits[0, -1]
            torch.testing.assert_close(logits[row], expected, atol=1e-5, rtol=0)
        ids = torch.full((3, 1), [21, 22, 23][step])
        mask = torch.cat([mask, torch.ones(3, 1, dtype=torch.bool)], dim=1)


@pytest.mark.parametrize("name", ["qwen3", "gpt2"])
def test_positions_matter_to_these_models(name: str) -> None:
    """Show that the two tests above would notice wrong positions or an attended pad."""
    model, batch = tiny_model(name), as_rollout(PROMPTS, COMPLETIONS)
    ids = torch.cat([batch.prompt_ids, batch.completion_ids], 1)
    careless = model(ids).logits[0, 5:9].log_softmax(-1)[range(4), COMPLETIONS[0]]
    assert (careless - alone(model, PROMPTS[0], COMPLETIONS[0])).abs().max() > 0.1


@pytest.mark.parametrize("temperature", [1.0, 0.7])
@pytest.mark.parametrize("name", ["qwen3", "gpt2"])
def test_the_sampler_reports_the_logprobs_that_training_sees(name: str, temperature: float) -> None:
    model = tiny_model(name)
    model.generation_config.eos_token_id = list(range(1, 20))  # so that completions end at different places
    policy = CausalLMPolicy(model, TOKENIZER)
    sampler = BatchedSampler(group_size=4, max_tokens=10, temperature=temperature)
    completions = sampler.sample(policy, letter_prompts(5))
    rollout = Rollout.of(completions, pad_id=policy.pad_id, temperature=temperature)
    with torch.no_grad():
        scored = policy.logprobs(rollout).logprobs * rollout.completion_mask
    assert len({len(row.ids) for row in completions}) > 1
    torch.testing.assert_close(rollout.sampler_logprobs, scored, atol=1e-5, rtol=0)


def test_gradient_flows_to_the_logprobs_only() -> None:
    policy = tiny_policy()
    scored = policy.logprobs(as_rollout(PROMPTS, COMPLETIONS))
    assert scored.logprobs.requires_grad
    assert not scored.entropy.requires_grad


def test_a_reference_is_a_frozen_copy_of_the_instance(tmp_path) -> None:
    tiny_policy().model.save_pretrained(tmp_path)
    TOKENIZER.save_pretrained(tmp_path)
    policy, batch = CausalLMPolicy(tmp_path), as_rollout(PROMPTS, COMPLETIONS)
    on_disk = policy.logprobs(batch).logprobs.detach()
    with torch.no_grad():
        for parameter in policy.parameters():
            parameter.mul_(1.3)
    for file in tmp_path.iterdir():
        file.unlink()  # nothing is left to load from
    in_memory = policy.logprobs(batch).logprobs.detach()
    assert (in_memory - on_disk).abs().max() > 0.01

    reference = policy.reference()
    assert not any(parameter.requires_grad for parameter in reference.parameters())
    assert not any(module.training for module in reference.modules())
    assert all(parameter.requires_grad for parameter in policy.parameters())
    optimizer = torch.optim.SGD(policy.parameters(), lr=0.1)
    (-policy.logprobs(batch).logprobs.mean()).backward()
    optimizer.step()
    assert (policy.logprobs(batch).logprobs - in_memory).abs().max() > 0.01
    assert torch.equal(reference.logprobs(batch).logprobs, in_memory)


def test_a_policy_in_train_mode_stays_in_it() -> None:
    policy = tiny_policy().train()
    policy.reference()
    assert all(module.training for module in policy.modules())


@pytest.mark.parametrize("convert", [str, lambda path: path])
def test_loading_a_folder(tmp_path, convert) -> None:
    original = tiny_policy()
    original.model.save_pretrained(tmp_path)
    TOKENIZER.save_pretrained(tmp_path)
    loaded, batch = CausalLMPolicy(convert(tmp_path)), as_rollout(PROMPTS, COMPLETIONS)
    assert loaded.tokenizer.get_vocab() == TOKENIZER.get_vocab()
    assert {parameter.dtype for parameter in loaded.parameters()} == {torch.float32}
    torch.testing.assert_close(loaded.logprobs(batch).logprobs, original.logprobs(batch).logprobs)


def test_weights_saved_in_half_precision_are_float32_unless_asked_for(tmp_path) -> None:
    tiny_policy().model.bfloat16().save_pretrained(tmp_path)
    dtypes = {
        dtype: {parameter.dtype for parameter in CausalLMPolicy(tmp_path, TOKENIZER, dtype=dtype).parameters()}
        for dtype in (None, "bfloat16")
    }
    assert dtypes == {None: {torch.float32}, "bfloat16": {torch.bfloat16}}


def test_a_tokenizer_from_its_own_folder(tmp_path) -> None:
    TOKENIZER.save_pretrained(tmp_path)
    assert CausalLMPolicy(tiny_model("qwen3"), tmp_path).tokenizer.get_vocab() == TOKENIZER.get_vocab()


@pytest.mark.parametrize(
    ("configured", "expected"),
    [([1, 7, 9], {1, 7, 9}), (7, {1, 7}), (None, {1}), ([7, -1, 99_999], {1, 7})],
    ids=["several", "one", "none", "beyond the vocabulary"],
)
def test_end_ids_are_those_of_the_generation_settings_and_of_the_tokenizer(configured, expected: set[int]) -> None:
    model = tiny_model("qwen3")
    model.generation_config.eos_token_id = configured
    assert CausalLMPolicy(model, TOKENIZER).eos_ids == expected


def test_every_end_id_ends_a_completion() -> None:
    model = tiny_model("qwen3")
    model.generation_config.eos_token_id = [1, 7, 9]
    sampler = BatchedSampler(group_size=32, max_tokens=20)
    rows = list(sampler.sample(CausalLMPolicy(model, TOKENIZER), letter_prompts(4)))
    assert {row.ids[-1] for row in rows if row.stop_reason == "stop"} == {1, 7, 9}
    assert not any({1, 7, 9} & set(row.ids[:-1]) for row in rows)


def test_max_positions() -> None:
    sizes = {name: CausalLMPolicy(tiny_model(name), TOKENIZER).max_positions for name in ("qwen3", "gpt2", "bloom")}
    assert sizes == {"qwen3": 64, "gpt2": 64, "bloom": None}


def test_refusals() -> None:
    model = tiny_model("qwen3")
    with pytest.raises(ValueError, match="a model object does not carry its tokenizer"):
        CausalLMPolicy(model)
    with pytest.raises(ValueError, match=r"dtype='bfloat16' is for a model that is loaded here"):
        CausalLMPolicy(model, TOKENIZER, dtype="bfloat16")
    padless = letter_tokenizer()
    padless.pad_token = None
    with pytest.raises(ValueError, match="no pad token"):
        CausalLMPolicy(model, padless)


@pytest.mark.parametrize("name", ["qwen3", "gpt2", "llama"])
def test_a_folder_without_tokenizer_files_is_no_policy(tmp_path, name: str) -> None:
    """Of some architectures transformers makes a tokenizer without words."""
    tiny_model(name).save_pretrained(tmp_path)
    with pytest.raises(ValueError, match=rf"{tmp_path.name}.*save the tokenizer beside the model .* tokenizer="):
        CausalLMPolicy(tmp_path)
    assert CausalLMPolicy(tmp_path, TOKENIZER).tokenizer is TOKENIZER


def few_words(kind: str, *words: str) -> PreTrainedTokenizerFast:
    """Return a tokenizer that reads nothing of what it does not know, or raises."""
    vocabulary = {word: place for place, word in enumerate(["<pad>", "<eos>", *words])}
    model = models.BPE(vocabulary, []) if kind == "letters" else models.WordLevel(vocabulary)
    return PreTrainedTokenizerFast(tokenizer_object=Tokenizer(model), pad_token="<pad>", eos_token="<eos>")


@pytest.mark.parametrize("kind", ["letters", "words"])
def test_a_tokenizer_without_words_is_refused_and_one_of_few_words_is_not(kind: str) -> None:
    with pytest.raises(ValueError, match="reads every text as no token at all: beside 2 special tokens"):
        CausalLMPolicy(tiny_model("qwen3"), few_words(kind))
    few = few_words(kind, "\N{GREEK SMALL LETTER ALPHA}", "\N{GREEK SMALL LETTER BETA}")
    assert CausalLMPolicy(tiny_model("qwen3"), few).tokenizer is few


def test_a_tokenizer_that_cannot_be_read(tmp_path) -> None:
    tiny_policy().save_pretrained(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(ValueError, match=r"no tokenizer can be read .*save the tokenizer beside the model"):
        CausalLMPolicy(tmp_path)


@pytest.mark.parametrize("size", [0, 4, 100, -10])
def test_weights_that_are_cut_off(tmp_path, size: int) -> None:
    lora = LoraConfig(r=2, target_modules=["q_proj"])
    tiny_policy().save_pretrained(tmp_path / "model")
    CausalLMPolicy(tmp_path / "model", lora=lora).save_pretrained(tmp_path / "adapter")
    for folder, name in (("adapter", "adapter_model"), ("model", "model")):
        file = tmp_path / folder / f"{name}.safetensors"
        file.write_bytes(file.read_bytes()[:size])
        with pytest.raises(ValueError, match=rf"a weights file of .*{folder} is cut off"):
            CausalLMPolicy(tmp_path / "model", lora=tmp_path / "adapter")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{}", "its peft_type is None"),
        ("[]", "its peft_type is None"),
        ('{"peft_type": "LOFT"}', "its peft_type is 'LOFT', where LORA is one of"),
        ('{"peft_type": ["LORA"]}', "describes no adapter"),
        ('{"peft_type"', "adapter_config.json is no JSON"),
        (None, "holds no adapter"),
    ],
)
def test_what_is_no_saved_adapter(tmp_path, text: str | None, words: str) -> None:
    (tmp_path / "adapter_model.safetensors").touch()
    if text is not None:
        (tmp_path / "adapter_config.json").write_text(text)
    with pytest.raises(ValueError, match=words):
        CausalLMPolicy(tiny_policy().model, TOKENIZER, lora=tmp_path)


def test_a_wrapped_model_samples_what_it_scores() -> None:
    policy = tiny_policy()
    plain = BatchedSampler(2, 2).sample(policy, letter_prompts(3))
    # It is compiled for each shape that it meets.
    wrapped = CausalLMPolicy(torch.compile(policy.model, backend="eager"), policy.tokenizer)
    assert [row.ids for row in BatchedSampler(2, 2).sample(wrapped, letter_prompts(3))] == [row.ids for row in plain]


@pytest.mark.parametrize(
    "lora", [None, LoraConfig(r=2, target_modules=["q_proj", "down_proj"], init_lora_weights=False)]
)
def test_gradient_checkpointing_changes_no_gradient(tmp_path: Path, lora: LoraConfig | None) -> None:
    tiny_policy().save_pretrained(tmp_path)
    gradients = []
    for checkpointing in (False, True):
        torch.manual_seed(0)
        policy = CausalLMPolicy(tmp_path, lora=lora, gradient_checkpointing=checkpointing).train()
        calls = []
        attention = next(part for name, part in policy.named_modules() if name.endswith("self_attn"))
        attention.register_forward_hook(lambda *_, calls=calls: calls.append(1))
        rows = BatchedSampler(group_size=3, max_tokens=6).sample(policy.eval(), letter_prompts(3))
        rollout = Rollout.of(rows, pad_id=0)
        policy.train()
        policy.logprobs(rollout)  # proves itself once
        calls.clear()
        policy.logprobs(rollout).logprobs.masked_fill(~rollout.completion_mask, 0.0).sum().backward()
        gradients.append({name: p.grad for name, p in policy.named_parameters() if p.grad is not None})
        assert len(calls) == (2 if checkpointing else 1)
    torch.testing.assert_close(gradients[1], gradients[0], atol=1e-5, rtol=1e-5)
