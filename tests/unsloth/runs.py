"""What happens in a process with Unsloth, for the tests beside: ``python -m tests.unsloth.runs FOLDER``.

Unsloth replaces parts of transformers, peft and trl for the whole process, so no test runs in one with it. Everything
that the tests look at is left in the folder.
"""

from __future__ import annotations

import unsloth  # isort: skip  # first of all: it replaces parts of what is imported below

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig

from rlframework import BatchedSampler, CausalLMPolicy, GenerateSampler, UnslothPolicy, UnslothSampler
from rlframework.policies.base import eval_mode
from rlframework.policies.scoring.base import find_fault
from rlframework.policies.scoring.right_padded import RightPadded
from rlframework.policies.unsloth_backend import gradient_checkpointing
from rlframework.testing import letter_prompts
from tests.unsloth.shared import ADAPTER, LORA, batch, ids_and_logprobs, sampler, scored, train


def load(base: Path, **options: Any) -> UnslothPolicy:
    """Return a policy whose adapter does something."""
    policy = UnslothPolicy(base, LORA, dtype="float32", max_seq_length=48, **options)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, parameter in policy.named_parameters():
            if "lora_B" in name:
                parameter.copy_(0.2 * torch.randn(parameter.shape, generator=generator))
    return policy


def see_everything(_: Any, args: Any, named: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Have a model look at padding; without any mask transformers would guess from positions where a row begins."""
    mask = named.get("attention_mask")
    return args, {**named, "attention_mask": None if mask is None else torch.ones_like(mask)}


def scoring(policy: UnslothPolicy, folder: Path) -> dict[str, Any]:
    """Score in training mode, with gradient checkpointing, both ways; and the reference."""
    policy.save_adapter(folder / ADAPTER)
    policy.train()
    assert find_fault(policy, RightPadded(), batch()) is None
    # As on a GPU, where the mask is dropped in training.
    body = policy.model.get_base_model().base_model
    hook = body.register_forward_pre_hook(see_everything, with_kwargs=True)
    without_mask = {
        "shared prefixes": scored(policy, policy.logprobs),
        "right-padded": scored(policy, partial(RightPadded().score, policy)),
        "row by row": scored(policy, policy.padded_logprobs),
        "left-padded": scored(policy, lambda rollout: CausalLMPolicy.padded_logprobs(policy, rollout)),
    }
    hook.remove()
    return {
        "checkpointing": gradient_checkpointing(policy.model),
        "trainable": [name for name, parameter in policy.named_parameters() if parameter.requires_grad],
        **without_mask,
        "reference": policy.reference().logprobs(batch()).logprobs.detach(),
        "positions": policy.max_positions,
        "scorer": type(policy._scoring.choose(policy, batch())).__name__,
    }


def state(policy: UnslothPolicy) -> dict[str, Any]:
    """Return what `UnslothSampler` has to leave as it was."""
    parts = list(policy.model.named_modules())
    return {
        "training": [part.training for _, part in parts],
        "checkpointing": [getattr(part, "gradient_checkpointing", None) for _, part in parts],
        "use_cache": policy.model.config.use_cache,
    }


class Broken(UnslothSampler):
    """Fails inside of generation."""

    def draw(self, *args: Any) -> Any:
        raise ZeroDivisionError


def sampling(policy: UnslothPolicy) -> dict[str, Any]:
    """Sample by each sampler, and look at the model before and after."""
    prompts, found = letter_prompts(5), {}
    inside: list[bool] = []
    hook = policy.model.get_output_embeddings().register_forward_hook(
        lambda *_: inside.append(policy.model.config.use_cache)
    )
    # As on a GPU, where inference mode switches checkpointing off.
    for_inference = unsloth.FastLanguageModel.for_inference

    def as_on_a_gpu(model: Any) -> None:
        for_inference(model)
        for part in model.modules():
            if hasattr(part, "gradient_checkpointing"):
                part.gradient_checkpointing = False

    unsloth.FastLanguageModel.for_inference = staticmethod(as_on_a_gpu)
    for training in (True, False):
        policy.train(training)
        before = state(policy)
        found[f"training={training}"] = ids_and_logprobs(sampler(UnslothSampler).sample(policy, prompts, step=2))
        try:
            Broken(group_size=1, max_tokens=2).sample(policy, prompts)
        except ZeroDivisionError:
            found[f"failed={training}"] = True
        found[f"restored={training}"] = state(policy) == before
    found["inference mode"] = all(inside)
    hook.remove()
    unsloth.FastLanguageModel.for_inference = staticmethod(for_inference)
    with eval_mode(policy):
        for kind in (GenerateSampler, BatchedSampler):
            found[kind.__name__] = ids_and_logprobs(sampler(kind).sample(policy, prompts, step=2))
    return found


def saving(policy: UnslothPolicy, folder: Path) -> dict[str, Any]:
    """Load a saved adapter again through Unsloth, and save what a merge makes."""
    again = UnslothPolicy(folder / ADAPTER, dtype="float32", max_seq_length=48)
    policy.save_merged(folder / "merged")
    return {
        "before": policy.eval().logprobs(batch()).logprobs.detach(),
        "after": again.eval().logprobs(batch()).logprobs.detach(),
        "trainable": sum(parameter.requires_grad for parameter in again.parameters()),
    }


def refusals(base: Path, folder: Path) -> dict[str, str]:
    """Return the message of every wrong use."""
    policy = UnslothPolicy(base, dtype="float32", full_finetuning=True)
    uses: dict[str, Callable[[], Any]] = {
        "nothing to train": lambda: UnslothPolicy(base, dtype="float32"),
        "two things to train": lambda: UnslothPolicy(base, LORA, dtype="float32", full_finetuning=True),
        "an adapter twice": lambda: UnslothPolicy(folder / ADAPTER, LORA, dtype="float32"),
        "dora": lambda: UnslothPolicy(base, LoraConfig(target_modules=["q_proj"], use_dora=True)),
        "no dtype": lambda: UnslothPolicy(base, LORA, dtype="half-ish"),
        "float16 on a CPU": lambda: UnslothPolicy(base, LORA, dtype="float16"),
        "an engine on a CPU": lambda: UnslothPolicy(base, LORA, fast_inference=True),
        "no adapter to save": lambda: policy.save_adapter(folder / "none"),
        "too many positions": lambda: UnslothSampler(group_size=1, max_tokens=64).sample(policy, letter_prompts(1)),
    }
    messages = {"": str(sum(not parameter.requires_grad for parameter in policy.parameters()))}
    for name, use in uses.items():
        try:
            use()
            messages[name] = "nothing happened"
        except Exception as error:
            messages[name] = f"{type(error).__name__}: {error}"
    return messages


def main(folder: Path) -> None:
    base = folder / "base"
    policy = load(base)
    found = {"version": unsloth.__version__, "scoring": scoring(policy, folder), "sampling": sampling(policy)}
    found["saving"] = saving(policy, folder)
    found["training"] = train(load(base), UnslothSampler, folder)
    found["refusals"] = refusals(base, folder)
    torch.save(found, folder / "found.pt")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
