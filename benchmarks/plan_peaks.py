"""Peaks of memory of real training steps, by moment, against those that ``rlframework plan`` foretells.

Every model has a process of its own, in which `pl.Trainer.fit(GRPO(...))` takes three steps on a CPU. torch's profiler
reports each allocation and release of its allocator; with the weights that were there before, their sum is the memory
in use, exact to the byte and without what the system keeps back. The last step counts: the first ones prove shortcuts.
"""

from __future__ import annotations

import argparse
import json
import logging
import subprocess
import sys
import tempfile
import warnings
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from peft import LoraConfig
from torch.profiler import ProfilerActivity, profile, record_function
from transformers import AutoConfig, AutoModelForCausalLM

from rlframework import GRPO, CausalLMPolicy, PromptDataModule, SharedPrefixSampler
from rlframework.loop.memory import FEED_FORWARD, sizes_of_config
from rlframework.report.plan import PlannedRun, adapter_weights
from rlframework.rewards import RowReward
from rlframework.testing import letter_tokenizer

RESULTS = Path(__file__).parent / "results" / "plan_cpu.json"
ALL_LINEAR = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
STEPS = 3


@dataclass(frozen=True)
class Case:
    """A model and the sizes of a step.

    Args:
        family: Of transformers, such as ``"qwen3"``.
        sizes: Hidden, intermediate, layers, query heads, key heads, width of a head, vocabulary.
        prompts: In a rollout.
        group: Completions of each.
        prompt_tokens: Of each prompt.
        max_tokens: Of each completion; all take them.
        minibatches: Of a rollout, all of one optimizer step.
        lora: Rank of an adapter; 0 trains all weights.
        targets: Modules with an adapter.
        checkpointing: Compute activations again.
        tied: The head is the embedding.
        precision: The Trainer's.
    """

    family: str
    sizes: tuple[int, int, int, int, int, int, int]
    prompts: int = 4
    group: int = 4
    prompt_tokens: int = 48
    max_tokens: int = 32
    minibatches: int = 1
    lora: int = 0
    targets: list[str] = field(default_factory=lambda: list(ALL_LINEAR))
    checkpointing: bool = False
    tied: bool = True
    precision: str = "32-true"

    def config(self) -> Any:
        """Return the configuration of transformers."""
        hidden, intermediate, layers, heads, keys, width, vocabulary = self.sizes
        return AutoConfig.for_model(
            self.family,
            hidden_size=hidden,
            intermediate_size=intermediate,
            num_hidden_layers=layers,
            num_attention_heads=heads,
            num_key_value_heads=keys,
            head_dim=width,
            vocab_size=vocabulary,
            max_position_embeddings=1024,
            tie_word_embeddings=self.tied,
            layer_types=["full_attention"] * layers,
        )

    def planned(self) -> PlannedRun:
        """Return the run as ``rlframework plan`` has it."""
        options: dict[str, Any] = {
            "precision": self.precision,
            "weight_element": 4,
            "trained_element": 4,
            "adapter": bool(self.lora),
            "checkpointing": self.checkpointing,
            "feed_forward": not self.lora or bool(set(FEED_FORWARD) & set(self.targets)),
        }
        sizes = sizes_of_config(self.config(), trained=None, **options)
        if self.lora and sizes is not None:
            sizes = replace(sizes, trained=adapter_weights(sizes, self.lora, frozenset(self.targets)))
        return PlannedRun(
            sizes,  # type: ignore[arg-type]
            prompts=self.prompts,
            group=self.group,
            prompt_tokens=self.prompt_tokens,
            max_tokens=self.max_tokens,
            mean_tokens=self.max_tokens,
            minibatches=self.minibatches,
            accumulates=self.minibatches > 1,
            on_cpu=True,
        )


CASES = {
    "qwen3 whole": Case("qwen3", (256, 768, 6, 8, 4, 32, 4096)),
    "qwen3 lora": Case("qwen3", (384, 1024, 8, 12, 4, 32, 4096), lora=8, prompts=4, group=8),
    "qwen3 checkpointed": Case("qwen3", (256, 768, 8, 8, 2, 32, 2048), group=8, max_tokens=48, checkpointing=True),
    "llama whole": Case("llama", (192, 512, 4, 6, 2, 32, 8192), group=8, tied=False),
    "llama lora": Case("llama", (256, 704, 10, 8, 8, 32, 2048), lora=16, group=8, prompt_tokens=96, minibatches=2),
    "qwen2 whole": Case("qwen2", (256, 1024, 5, 4, 2, 64, 16384), prompts=4, group=4, max_tokens=24),
    "qwen2 lora on q, v": Case("qwen2", (320, 1280, 6, 5, 1, 64, 2048), lora=8, targets=["q_proj", "v_proj"], group=8),
    "llama lora checkpointed": Case("llama", (256, 768, 8, 4, 2, 64, 4096), lora=8, group=8, checkpointing=True),
    "qwen3 minibatches": Case("qwen3", (128, 384, 4, 4, 2, 32, 1024), prompts=8, group=8, minibatches=4),
    "qwen3 lora, bf16-mixed": Case("qwen3", (192, 512, 6, 6, 2, 32, 4096), lora=8, group=8, precision="bf16-mixed"),
}


class Sum(RowReward):
    """Differs within every group: one without spread would be scored without gradients."""

    def score_row(self, completion: Any) -> float:
        return float(sum(completion.ids))


class Moments(pl.Callback):
    """Marks in the profile where backward ends and the optimizer begins."""

    def __init__(self) -> None:
        self.weights = 0

    def on_train_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
        stores = {one.untyped_storage().data_ptr(): one.untyped_storage().nbytes() for one in pl_module.parameters()}
        self.weights = sum(stores.values())
        self.profile = profile(activities=[ProfilerActivity.CPU], profile_memory=True)
        self.profile.__enter__()
        self._mark("other")

    def on_train_batch_start(self, *arguments: Any) -> None:
        self._mark("backward")

    def on_before_optimizer_step(self, *arguments: Any) -> None:
        self._mark("step")

    def on_train_batch_end(self, *arguments: Any) -> None:
        self._mark("other")

    def on_train_end(self, *arguments: Any) -> None:
        self.profile.__exit__(None, None, None)

    def _mark(self, name: str) -> None:
        with record_function(f"moment {name}"):
            pass


class Endless(CausalLMPolicy):
    """Ends with a token that is never sampled, so that every row takes its whole budget."""

    eos_ids = frozenset({1_000_000})


def peaks(case: Case) -> dict[str, int]:
    """Train, and return the weights and the peak of every moment of the last step, in bytes.

    Args:
        case: What is trained.
    """
    torch.manual_seed(0)
    model: Any = AutoModelForCausalLM.from_config(case.config())
    lora = LoraConfig(r=case.lora, target_modules=case.targets) if case.lora else None
    policy = Endless(model, letter_tokenizer(), lora=lora, gradient_checkpointing=case.checkpointing)
    sampler: Any = SharedPrefixSampler(group_size=case.group, max_tokens=case.max_tokens)
    moments, sample = Moments(), sampler.sample

    def marked(*arguments: Any, **options: Any) -> Any:
        moments._mark("rollout")
        result = sample(*arguments, **options)
        moments._mark("other")
        return result

    sampler.sample = marked
    algorithm = GRPO(
        policy,
        Sum(),
        sampler,
        prompts_per_rollout=case.prompts,
        minibatches_per_rollout=case.minibatches,
        learning_rate=1e-6,
    )
    letters = "abcdefghijklmnopqrstuvwxyz"
    rows = [{"prompt": letter * case.prompt_tokens, "answer": "a"} for letter in letters[: 3 * case.prompts]]
    with tempfile.TemporaryDirectory() as folder:
        trainer = pl.Trainer(
            accelerator="cpu",
            precision=case.precision,  # type: ignore[arg-type]
            max_steps=STEPS,
            max_epochs=-1,
            accumulate_grad_batches=case.minibatches,
            callbacks=[moments],
            default_root_dir=folder,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            limit_val_batches=0,
        )
        trainer.fit(algorithm, PromptDataModule(rows))
    return {"weights": moments.weights, **_highest(moments)}


def _highest(moments: Moments) -> dict[str, int]:
    """Return the most bytes in use in each moment of the last step."""
    results: Any = moments.profile.profiler
    events = sorted(results.kineto_results.events(), key=lambda event: event.start_ns())
    steps = [place for place, event in enumerate(events) if event.name() == "moment rollout"]
    level, moment, highest = moments.weights, "other", dict.fromkeys(("rollout", "backward", "step", "other"), 0)
    for place, event in enumerate(events):
        if event.name().startswith("moment "):
            moment = event.name().removeprefix("moment ")
        elif event.name() == "[memory]":
            level += event.nbytes()
        if place >= steps[-1]:
            highest[moment] = max(highest[moment], level)
    return highest


def said(case: Case, measured: dict[str, int]) -> list[str]:
    """Return what was measured of each moment, and the share of it that was foretold."""
    moments = case.planned().moments()
    lines = []
    for moment, name in (("rollout", "rollout"), ("backward", "backward"), ("step", "optimizer step")):
        ratio = sum(moments[name].values()) / measured[moment]
        lines.append(f"{name} {measured[moment] / 2**20:.1f} MiB x {ratio:.3f}")
    return lines


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--only", choices=CASES, help="measure one, in this process, and print its peaks as JSON")
    given = options.parse_args()
    if given.only:
        warnings.filterwarnings("ignore")
        logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
        print(json.dumps(peaks(CASES[given.only])))
        return
    found = {}
    for name in CASES:
        command = [sys.executable, __file__, "--only", name]
        done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603
        found[name] = json.loads(done.stdout.splitlines()[-1])
        print(name, *said(CASES[name], found[name]), flush=True)
    RESULTS.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
