"""Every initialisation of adapters that PEFT knows: the reference, what is saved and what goes on are the policy."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import peft
import pytest
import pytorch_lightning as pl
import torch
from peft import (
    LoraConfig,
    LoraGAConfig,
    PeftModel,
    get_peft_model,
    initialize_lora_eva_weights,
    preprocess_loraga,
)
from peft.tuners.lora.corda import preprocess_corda
from pytorch_lightning.callbacks import ModelCheckpoint
from safetensors.torch import load_file

from rlframework import GRPO, CausalLMPolicy
from rlframework.loop.checkpoint import base_digest
from rlframework.policies.adapter_state import changes_nothing
from rlframework.samplers import LoRASync
from rlframework.testing import letter_tokenizer
from rlframework.testing.tiny import tiny_qwen3
from tests.drawn import drawn
from tests.policies.test_lora import batch

Make = Callable[..., GRPO]
Fit = Callable[..., pl.Trainer]

LAYERS = ["q_proj", "v_proj", "down_proj"]
# Largest difference of log-probabilities, in nats. In bfloat16 the model under the adapter is rounded once more.
BAND = {torch.float32: 1e-5, torch.bfloat16: 0.1}
IDS = torch.tensor([[5, 6, 7, 8, 9, 10]])


@pytest.fixture(autouse=True)
def seed() -> None:
    """Begin every adapter alike."""
    torch.manual_seed(0)


def initialisations() -> set[str]:
    known = re.findall(r"'([^']+)'", str(LoraConfig.__annotations__["init_lora_weights"]))
    return {name.replace("[number of iters]", "4") for name in known}


def lora(how: Any, **settings: Any) -> LoraConfig:
    if how == "mica" and how not in initialisations():  # the only one that is newer than the oldest PEFT
        pytest.skip(f"PEFT {peft.__version__} has no {how}")
    return LoraConfig(**{"r": 2, "target_modules": LAYERS, "init_lora_weights": how, **settings})


def logprobs(policy: Any) -> torch.Tensor:
    with torch.no_grad():
        return policy.eval().logprobs(batch()).logprobs.float()


def bare(dtype: torch.dtype = torch.float32) -> Any:
    return tiny_qwen3().to(dtype)


def apart(first: torch.Tensor, second: torch.Tensor) -> float:
    return (first - second).abs().max().item()


def move(policy: CausalLMPolicy) -> None:
    """Change whatever is trained."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for weight in policy.parameters():
            if weight.requires_grad:
                weight.add_(0.2 * torch.randn(weight.shape, generator=generator).to(weight.dtype))


def plain(how: Any, dtype: torch.dtype) -> CausalLMPolicy:
    return CausalLMPolicy(bare(dtype), letter_tokenizer(), lora=lora(how))


def with_activations(how: Any, dtype: torch.dtype) -> CausalLMPolicy:
    model, config = bare(dtype), lora(how)
    preprocess_corda(model, config, run_model=lambda: model(IDS))
    return CausalLMPolicy(model, letter_tokenizer(), lora=config)


def with_gradients(how: Any, dtype: torch.dtype) -> CausalLMPolicy:
    model, config = bare(dtype), lora(how, lora_ga_config=LoraGAConfig())
    preprocess_loraga(model, config, lambda: model(IDS, labels=IDS).loss.backward())
    return CausalLMPolicy(model, letter_tokenizer(), lora=config)


def with_data(how: Any, dtype: torch.dtype) -> CausalLMPolicy:
    model = get_peft_model(bare(dtype), lora(how))
    rows = [{"input_ids": IDS.repeat(4, 1), "attention_mask": torch.ones(4, 6, dtype=torch.long)}]
    initialize_lora_eva_weights(model, rows, show_progress_bar=False)
    return CausalLMPolicy(model, letter_tokenizer())


# How each is made here, and whether the policy then begins as the model.
MADE: dict[Any, tuple[Callable[[Any, torch.dtype], CausalLMPolicy], bool]] = {
    True: (plain, True),
    False: (plain, False),
    "gaussian": (plain, True),
    "orthogonal": (plain, True),
    "mica": (plain, True),
    "pissa": (plain, True),
    "pissa_niter_4": (plain, True),
    "olora": (plain, True),
    "corda": (with_activations, True),
    "lora_ga": (with_gradients, True),
    "eva": (with_data, True),
}
REFUSED = {"loftq"}
REWRITES = ["pissa", "pissa_niter_4", "olora", "corda", "lora_ga"]


def test_no_initialisation_that_peft_knows_is_left_out() -> None:
    known = initialisations()
    assert len(known) > 5
    assert known <= MADE.keys() | REFUSED


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("how", "dtype"),
    drawn(
        {f"{how}-{dtype}": (how, dtype) for how in MADE for dtype in BAND},
        {*(f"{how}-{torch.float32}" for how in MADE), f"True-{torch.bfloat16}"},
    ),
)
def test_the_reference_and_what_is_saved_are_the_policy(how: Any, dtype: torch.dtype, tmp_path: Path) -> None:
    make, begins_as_model = MADE[how]
    policy = make(how, dtype)
    before = logprobs(policy)
    away = apart(before, logprobs(CausalLMPolicy(bare(dtype), letter_tokenizer())))
    assert (away <= BAND[dtype]) == begins_as_model
    reference = policy.reference()
    assert torch.equal(logprobs(policy), before), "asking for a reference changed the policy"
    move(policy)
    after = logprobs(policy)
    assert apart(after, before) > 2 * BAND[dtype]
    assert torch.equal(logprobs(reference), before), "the reference followed, or was another from the start"

    later = policy.reference()
    assert torch.equal(logprobs(later), after)
    assert torch.equal(logprobs(policy), after)

    policy.save_pretrained(tmp_path / "adapter")
    assert policy.model.peft_config["default"].init_lora_weights == how, "saving changes no settings"
    again = CausalLMPolicy(bare(dtype), letter_tokenizer(), lora=tmp_path / "adapter")
    assert apart(logprobs(again), after) <= BAND[dtype]
    elsewhere = PeftModel.from_pretrained(bare(dtype), tmp_path / "adapter")
    assert apart(logprobs(CausalLMPolicy(elsewhere, letter_tokenizer())), after) <= BAND[dtype]

    policy.save_merged(tmp_path / "whole")
    whole = CausalLMPolicy(tmp_path / "whole", dtype=str(dtype).removeprefix("torch."))
    assert apart(logprobs(whole), after) <= BAND[dtype]
    assert torch.equal(logprobs(policy), after)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "settings",
    [
        {"use_dora": True},
        {"use_rslora": True},
        {"rank_pattern": {"q_proj": 3}, "alpha_pattern": {"v_proj": 5}},
        {"use_rslora": True, "rank_pattern": {"q_proj": 3}, "alpha_pattern": {"v_proj": 5}},
        {"modules_to_save": ["lm_head"]},
        {"trainable_token_indices": [4, 15]},
        {"lora_dropout": 0.5},
    ],
    ids=str,
)
@pytest.mark.parametrize("how", [True, "pissa", pytest.param("olora", marks=pytest.mark.slow)])
def test_whatever_else_an_adapter_has(how: Any, settings: dict[str, Any], tmp_path: Path) -> None:
    policy = CausalLMPolicy(tiny_qwen3(), letter_tokenizer(), lora=lora(how, **settings))
    before = logprobs(policy)
    assert apart(before, logprobs(CausalLMPolicy(tiny_qwen3(), letter_tokenizer()))) < 1e-5
    reference = policy.reference()
    move(policy)
    after = logprobs(policy)
    assert torch.equal(logprobs(reference), before)
    policy.save_pretrained(tmp_path)
    assert apart(logprobs(CausalLMPolicy(tiny_qwen3(), letter_tokenizer(), lora=tmp_path)), after) < 1e-5


@pytest.mark.parametrize("how", drawn(["pissa", "pissa_niter_4", "olora"], ["pissa"]))
def test_a_run_that_learns_nothing_has_no_divergence_and_one_that_learns_has(how: str, grpo: Make, fit: Fit) -> None:
    for rate in (0.0, 0.1):
        policy = plain(how, torch.float32)
        before = logprobs(policy)
        algorithm = grpo(policy, kl_coefficient=0.1, learning_rate=rate)
        trainer = fit(algorithm)
        moved = apart(logprobs(policy), before)
        kl = trainer.callback_metrics["train/kl"].item()
        assert (moved == 0 and abs(kl) < 1e-6) if rate == 0 else (moved > 0.01 and kl > 1e-4)
        assert torch.equal(logprobs(algorithm.reference), before)


@pytest.mark.parametrize("how", drawn(["pissa", "pissa_niter_4", "olora"], ["olora"]))
def test_a_run_goes_on_with_what_was_taken_out_when_it_began(how: str, grpo: Make, fit: Fit, tmp_path: Path) -> None:
    first = grpo(plain(how, torch.float32), kl_coefficient=0.1)
    saver = ModelCheckpoint(tmp_path, save_last=True)
    fit(first, callbacks=[saver], enable_checkpointing=True)
    after, reference = logprobs(first.policy), logprobs(first.reference)
    # Another machine decomposes the same weights otherwise: signs of vectors, or others of the same subspace.
    other = plain("pissa_niter_0", torch.float32)
    second = grpo(other, kl_coefficient=0.1)
    assert apart(logprobs(other), reference) < 1e-5
    assert base_digest(other) == base_digest(first.policy)
    checkpoint = torch.load(tmp_path / "last.ckpt", weights_only=False)
    second.on_load_checkpoint(checkpoint)
    second.load_state_dict(checkpoint["state_dict"], strict=False)
    assert apart(logprobs(other), after) < 1e-5
    assert apart(logprobs(second.reference), reference) < 1e-5


def kasa() -> dict[str, Any]:
    if not hasattr(peft, "KasaConfig"):
        pytest.skip(f"PEFT {peft.__version__} has no KaSA")
    return {"kasa_config": peft.KasaConfig()}


REFUSALS = {
    "loftq": (lambda: {}, "BitsAndBytesConfig.*replace_lora_weights_loftq"),
    "eva": (lambda: {"init_lora_weights": "eva"}, "initialize_lora_eva_weights"),
    "corda": (lambda: {"init_lora_weights": "corda"}, "preprocess_corda"),
    "lora_ga": (lambda: {"init_lora_weights": "lora_ga", "lora_ga_config": LoraGAConfig()}, "preprocess_loraga"),
    "kasa": (kasa, "drops the 2 smallest.*pissa"),
    "alora": (lambda: {"alora_invocation_tokens": [5], "task_type": "CAUSAL_LM"}, "leave it out"),
    "replicated": (lambda: {"layer_replication": [[0, 1], [0, 1]]}, "num_hidden_layers"),
    "pissa on parameters": (
        lambda: {"init_lora_weights": "pissa", "target_modules": [], "target_parameters": ["mlp.up_proj.weight"]},
        "leave target_parameters out",
    ),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("case", REFUSALS)
def test_what_cannot_be_made_right_is_refused_with_the_way_out(case: str) -> None:
    settings, way_out = REFUSALS[case]
    model = tiny_qwen3()
    weights = {name: weight.clone() for name, weight in model.state_dict().items()}
    config = lora(True, **{"init_lora_weights": True, **settings()})
    if case == "loftq":  # PEFT makes no such settings without scipy.
        config.init_lora_weights = case
    with pytest.raises(ValueError, match=way_out):
        CausalLMPolicy(model, letter_tokenizer(), lora=config)
    assert all(torch.equal(model.state_dict()[name], weight) for name, weight in weights.items())


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("how", ["pissa", "olora"])
def test_an_adapter_whose_first_value_is_lost_is_refused(how: str, tmp_path: Path) -> None:
    elsewhere = get_peft_model(tiny_qwen3(), lora(how))
    elsewhere.save_pretrained(tmp_path)
    with pytest.raises(ValueError, match=f"initialised by '{how}'.*path_initial_model_for_weight_conversion"):
        CausalLMPolicy(elsewhere, letter_tokenizer())
    with pytest.raises(ValueError, match=f"initialised by '{how}'"):
        CausalLMPolicy(tiny_qwen3(), letter_tokenizer(), lora=tmp_path)
    ours = plain(how, torch.float32)
    assert torch.equal(logprobs(CausalLMPolicy(ours.model, letter_tokenizer())), logprobs(ours))


def test_an_adapter_that_repeats_layers_is_refused_where_it_is_there_already(tmp_path: Path) -> None:
    elsewhere = get_peft_model(tiny_qwen3(), lora(True, layer_replication=[[0, 1], [0, 1]]))
    elsewhere.save_pretrained(tmp_path)
    with pytest.raises(ValueError, match=r"layer_replication=.*num_hidden_layers"):
        CausalLMPolicy(elsewhere, letter_tokenizer())
    with pytest.raises(ValueError, match=r"layer_replication=.*num_hidden_layers"):
        CausalLMPolicy(tiny_qwen3(), letter_tokenizer(), lora=tmp_path)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "tied",
    [
        {"target_modules": ["q_proj", "lm_head"], "init_lora_weights": "pissa"},
        {"target_modules": ["embed_tokens", "lm_head"], "ensure_weight_tying": True},
    ],
)
def test_tied_weights_that_no_copy_can_follow_are_refused(tied: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="tie"):
        CausalLMPolicy(tiny_qwen3(tie_word_embeddings=True), letter_tokenizer(), lora=LoraConfig(r=2, **tied))


def test_half_a_mica_adapter_is_frozen_and_copied_all_the_same() -> None:
    policy = plain("mica", torch.float32)
    assert changes_nothing(policy.model)
    move(policy)
    assert not changes_nothing(policy.model)


def test_an_adapter_that_is_not_trained_has_a_reference_of_its_own() -> None:
    """As one that was loaded to be used alone: nothing of it asks for gradients."""
    model = get_peft_model(tiny_qwen3(), lora(False))
    model.requires_grad_(False)
    policy = CausalLMPolicy(model, letter_tokenizer())
    assert torch.equal(logprobs(policy.reference()), logprobs(policy))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("how", [True, *REWRITES])
def test_a_server_is_given_an_adapter_for_the_model_that_it_has(how: Any, tmp_path: Path) -> None:
    policy = MADE[how][0](how, torch.float32)
    move(policy)
    LoRASync().save(policy, tmp_path)
    served = CausalLMPolicy(PeftModel.from_pretrained(tiny_qwen3(), tmp_path), letter_tokenizer())
    assert apart(logprobs(served), logprobs(policy)) < 1e-5
    assert {len(weight.shape) for weight in load_file(tmp_path / "adapter_model.safetensors").values()} == {2}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"target_modules": ["q_proj", "lm_head"]}, "tie_word_embeddings"),
        ({"target_modules": ["q_proj", "embed_tokens"]}, "2 weights are none"),
        ({"target_modules": ["q_proj"], "modules_to_save": ["lm_head"]}, "weights are none, as .*lm_head"),
        ({"target_modules": ["q_proj"], "use_dora": True}, "lora_magnitude_vector"),
        ({"target_modules": ["q_proj"], "trainable_token_indices": [3]}, "trainable_tokens"),
        ({"target_modules": ["q_proj"], "lora_bias": True}, "lora_B.bias"),
        ({"target_modules": ["q_proj", "v_proj"], "rank_pattern": {"q_proj": 3}}, "2 and 4, 3 and 2.66667"),
        ({"target_modules": ["q_proj", "v_proj"], "alpha_pattern": {"q_proj": 5}}, "2 and 2.5, 2 and 4"),
    ],
)
def test_what_a_server_could_not_be_given_right_is_refused(
    settings: dict[str, Any], reason: str, tmp_path: Path
) -> None:
    model = tiny_qwen3(tie_word_embeddings=True)
    policy = CausalLMPolicy(model, letter_tokenizer(), lora=LoraConfig(r=2, **settings))
    with pytest.raises(TypeError, match=f"LoRASync cannot bring this adapter to vLLM: .*{reason}.*linear layers"):
        LoRASync().save(policy, tmp_path)
    assert not list(tmp_path.iterdir())
