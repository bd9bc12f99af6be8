"""A real pretrained model behind a real server: honest runs go on, and weights that did not arrive stop them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import pytorch_lightning as pl
import torch
from peft import LoraConfig
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from rlframework import GRPO, CausalLMPolicy, PromptDataModule, VLLMSampler
from rlframework.prompt import Prompt
from rlframework.rewards import RowReward
from rlframework.samplers import DiskSync, LoRASync
from rlframework.samplers.vllm import DisagreementError, WeightSync
from rlframework.samplers.vllm.client import Server
from rlframework.tasks.smollm2 import create_smollm2
from tests.samplers.vllm.real_server import NEEDS_SERVER, RealServer

pytestmark = NEEDS_SERVER

LORA = LoraConfig(r=16, target_modules="all-linear")


@pytest.fixture(scope="module")
def tied():
    try:
        return create_smollm2()
    except RuntimeError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def untied(tied, tmp_path_factory):
    model = AutoModelForCausalLM.from_pretrained(tied)
    model.lm_head.weight = torch.nn.Parameter(model.lm_head.weight.detach().clone())
    model.config.tie_word_embeddings = False
    folder = tmp_path_factory.mktemp("untied")
    model.save_pretrained(folder)
    CausalLMPolicy(tied).tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module", params=["bfloat16", "float32"])
def server(untied, request, tmp_path_factory):
    made = RealServer(untied, tmp_path_factory.mktemp("vllm") / "log.txt", dtype=request.param)
    made.start()
    yield made
    made.kill()


@pytest.fixture
def fresh(server, untied):
    """The server with the weights that it was started with."""
    DiskSync().load(Server(server.url, timeout=120), untied, "base")
    return server


def prompts(policy: CausalLMPolicy) -> list[Prompt]:
    turn = [{"role": "user", "content": "Tom has 17 apples and buys 25 more. How many apples has he now?"}]
    text = policy.tokenizer.apply_chat_template(turn, tokenize=False, add_generation_prompt=True)
    return [Prompt(policy.tokenizer(text).input_ids, text)]


def sampler(server: RealServer, **options) -> VLLMSampler:
    return VLLMSampler(server.url, group_size=2, max_tokens=14, patience=30.0, **options)


def step(policy: CausalLMPolicy, size: float, seed: int) -> None:
    """Move what is trained by about as much as Adam moves it in one step at this rate."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in policy.parameters():
            if weight.requires_grad:
                weight.add_(torch.randn(weight.shape, generator=generator) * size)


class Stale:
    """Has a server keep some weights: the files are given those that it had.

    Args:
        names: Which, a pattern.
        start: The weights that the server was started with.
        after: How many loadings are honest.
    """

    def __init__(self, names: str, start: dict[str, torch.Tensor], after: int = 0) -> None:
        super().__init__()
        self.names, self.had, self.after = re.compile(names), start, after

    def save(self, policy: CausalLMPolicy, folder: Path) -> None:
        super().save(policy, folder)  # type: ignore[misc]
        (file,) = folder.glob("*.safetensors")
        new = load_file(file)
        kept = {name for name in new if self.names.search(name)} if self.after <= 0 else set()
        assert kept or self.after > 0
        self.after -= 1
        self.had = {
            name: self.had.get(name, torch.zeros_like(new[name])) if name in kept else new[name] for name in new
        }
        save_file(self.had, file, {"format": "pt"})


class StaleModel(Stale, DiskSync):
    pass


class StaleAdapter(Stale, LoRASync):
    pass


WHOLE = {"head": r"^lm_head", "layers": r"layers\.(10|11|12)\.", "one matrix": r"layers\.20\.mlp\.up", "all": ""}
WHOLE |= {"norm": r"^model\.norm", "a layer's norm": r"layers\.29\.input_layernorm"}
ADAPTER = {"all": "", "layers": r"layers\.(10|11|12)\.", "A": "lora_A", "kind": r"(q|k)_proj", "B": "lora_B"}


def refused(policy: CausalLMPolicy, server: RealServer, sync: WeightSync, moves: int, size: float) -> str:
    sampling = sampler(server, sync=sync)
    for move in range(moves):
        sampling.sample(policy, prompts(policy), step=move)
        step(policy, size, move)
    with pytest.raises(DisagreementError) as caught:
        sampling.sample(policy, prompts(policy), step=moves)
    return str(caught.value)


@pytest.mark.parametrize("after", [0, 2])
@pytest.mark.parametrize("fault", WHOLE)
def test_a_model_of_which_something_did_not_arrive_is_refused(fault, after, fresh, untied):
    """From the first loading on, and from the third on, when each has moved the weights by next to nothing."""
    sync = StaleModel(WHOLE[fault], load_file(untied / "model.safetensors"), after)
    print(fresh.dtype, fault, after, refused(CausalLMPolicy(untied), fresh, sync, after, 1e-5)[:300])


@pytest.mark.parametrize("fault", ADAPTER)
def test_an_adapter_of_which_something_did_not_arrive_is_refused(fault, fresh, untied):
    policy = CausalLMPolicy(untied, lora=LORA)
    start = {name: part.detach().clone() for name, part in adapter(policy).items()}
    print(fresh.dtype, fault, refused(policy, fresh, StaleAdapter(ADAPTER[fault], start), 0, 0.0)[:300])


def adapter(policy: CausalLMPolicy) -> dict[str, torch.Tensor]:
    named = ((name.removeprefix("model.").replace(".default", ""), part) for name, part in policy.named_parameters())
    return {name: part for name, part in named if "lora_" in name}


def test_an_adapter_that_stays_what_it_was_is_refused_later_too(fresh, untied):
    policy = CausalLMPolicy(untied, lora=LORA)
    # The altered one, and two.
    print(fresh.dtype, refused(policy, fresh, StaleAdapter("", {}, after=3), 2, 3e-4)[:300])


@pytest.mark.parametrize("rollouts", [6, pytest.param(100, marks=pytest.mark.slow)])
@pytest.mark.parametrize("lora", [True, False])
def test_what_arrives_is_never_refused(lora, rollouts, fresh, untied):
    policy = CausalLMPolicy(untied, lora=LORA if lora else None)
    sampling, means = sampler(fresh), []
    for move in range(rollouts):
        sampling.sample(policy, prompts(policy), step=move)
        means.append(sampling.gap.mean)
        step(policy, 3e-4, move)
    print(fresh.dtype, lora, [f"{mean:.3g}" for mean in means], sampling._fleet._usual)


class Digits(RowReward):
    """Share of digits."""

    def score_row(self, completion):
        return sum(letter.isdigit() for letter in completion.text) / max(len(completion.text), 1)


def test_two_steps_of_grpo_on_an_adapter(fresh, untied):
    policy, sampling = CausalLMPolicy(untied, lora=LORA), VLLMSampler(fresh.url, group_size=4, max_tokens=14)
    rows = [{"prompt": f"What is {first} + {first + 3}?"} for first in range(8)]
    algorithm = GRPO(policy, Digits(), sampling, prompts_per_rollout=2, learning_rate=5e-4)
    trainer = pl.Trainer(max_steps=2, accelerator="cpu", logger=False, enable_checkpointing=False)
    trainer.fit(algorithm, PromptDataModule(rows))
    gap = trainer.callback_metrics["train/sampler_gap"].item()
    print(fresh.dtype, f"gap {gap:.3g}, canary {sampling.gap}")
    # Means of 17 honest runs in bfloat16: 0.068 to 0.117 over some hundred sampled tokens, and 0.027 to 0.032.
    assert 0 < gap < (0.25 if fresh.dtype == "bfloat16" else 1e-4)
    assert 0 < sampling.gap.mean < (0.1 if fresh.dtype == "bfloat16" else 1e-4)
